"""Embedded servers seen from outside: their processes, their files and their other users."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg

from devtools.embedded_postgres import EmbeddedServer, embedded_postgres

LINUX = Path("/proc/self").is_dir()
CLIENT = """
import signal, sys
from pathlib import Path
from devtools.embedded_postgres import embedded_postgres
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored when the tests run in the background
with embedded_postgres(Path(sys.argv[1]), durable=False) as server:
    print(server.socket_folder, flush=True)
    sys.stdin.read()
"""


def query(server: EmbeddedServer, statement: str, *values: object) -> object:
    """Return the first value of a statement's first row."""

    async def run() -> object:
        connection = await asyncpg.connect(host=str(server.socket_folder), port=5432, user="postgres")
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    return asyncio.run(run())


def home(data_folder: Path) -> Path:
    """Return the folder of the cluster."""
    (found,) = data_folder.glob("postgres-*")
    return found


def processes(data_folder: Path) -> tuple[int, int]:
    """Return the PIDs of the postmaster and of its keeper."""
    postmaster = int((home(data_folder) / "data" / "postmaster.pid").read_text().split()[0])
    return postmaster, int(shown("ppid", postmaster))


def shown(what: str, pid: int) -> str:
    """Return what the system says about a process: `ppid` or `stat`; nothing when there is no such process."""
    if LINUX:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return fields[0 if what == "stat" else 1]
    return subprocess.run(
        ["/bin/ps", "-o", f"{what}=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()


def ended(pid: int) -> bool:
    """Return whether a process is gone, or waits only for PID 1 to take notice."""
    return shown("stat", pid)[:1] in {"", "Z"}


def in_use(folder: Path) -> bool:
    """Return whether a program of PostgreSQL has the folder open (Linux)."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if descriptor.readlink().is_relative_to(folder):
                return True
    return False


def wait_for(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@contextmanager
def client(data_folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, data_folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def socket_folder_of(process: subprocess.Popen[str]) -> Path:
    """Return the socket folder of a `client`'s server, as soon as it listens."""
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def keep(server: EmbeddedServer, answer: int) -> None:
    """Change the row of `data_folder`."""
    query(server, "UPDATE kept SET answer = $1", answer)


def kept(data_folder: Path) -> object:
    """Return the row of `data_folder`, read from a server of its own."""
    with embedded_postgres(data_folder, durable=False) as server:
        return query(server, "SELECT answer FROM kept")
