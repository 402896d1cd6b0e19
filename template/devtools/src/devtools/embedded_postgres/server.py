"""The context manager: join the server that runs on a data folder, or start it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from devtools.embedded_postgres.cluster import SOCKET_FOLDER_PREFIX, Cluster, LockFile, reachable
from devtools.embedded_postgres.programs import (
    EmbeddedPostgresError,
    Installation,
    clean_environment,
    find_installation,
    runnable_by,
    server_identity,
)

# Isolated and without site-packages, for speed: it imports the standard library alone.
_KEEPER = (sys.executable, "-I", "-S", Path(__file__).with_name("keeper.py").absolute())
PORT = 5432  # a part of the socket's file name; nothing listens on TCP
_START_SECONDS = 60.0  # for a crash recovery, or another client's start to end
_LEAVE_SECONDS = 20.0
_STEP = 0.002
_ANSWER_SECONDS = 5.0
# The shortest question of the protocol (PostgreSQL documentation, 54.7, SSLRequest); "no" is an answer, too.
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_SHORT_FOLDER = "/tmp"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": PORT,
    "timezone": "UTC",
    "max_connections": 200,
    "max_wal_size": "256MB",
    "synchronous_commit": "off",
}
_THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedServer(NamedTuple):
    """A running server, by the folder of its socket, which only the current user can enter."""

    socket_folder: Path

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the database that always exists."""
        # The port is spelt out because asyncpg would take another one from PGPORT.
        return f"postgresql+asyncpg://postgres@/postgres?host={quote(str(self.socket_folder))}&port={PORT}"


@contextmanager
def embedded_postgres(
    data_folder: Path, *, bin_folder: Path | None = None, durable: bool = True
) -> Iterator[EmbeddedServer]:
    """Run a PostgreSQL server for as long as the context lasts, shared by all processes that ask for it.

    Args:
        data_folder: The folder for `postgres-<major>`, which holds the data between two runs.
        bin_folder: Where PostgreSQL's programs are; found by itself when it is None.
        durable: Set where data must survive a crash of the whole machine. Only the process that starts
            the server decides.

    Raises:
        EmbeddedPostgresError: The server cannot be found, created, started or shared.
    """
    with ExitStack() as stack:
        try:
            homes = (home for home in data_folder.glob("postgres-*") if (home / "data").is_dir())
            majors = {int(home.name.removeprefix("postgres-")) for home in homes}
            found = find_installation(bin_folder, majors=majors)
            if majors and found.major not in majors:
                raise _other_version(data_folder, found, max(majors))
            cluster = Cluster(data_folder.absolute() / f"postgres-{found.major}")
            cluster.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            presence = stack.enter_context(LockFile(cluster.clients))
            stack.callback(_leave, cluster, presence)
            socket_folder = _join(cluster, found, presence, durable=durable)
        except OSError as err:
            raise EmbeddedPostgresError(
                f"The folder {data_folder} for the embedded PostgreSQL server's data cannot be used: {err}.",
                next_step="Check which user owns it, and whether its disk has space left, and locks. A disk of another "
                "machine may have none: move the project to a local one, or set DATABASE_URL to a server.",
            ) from err
        yield EmbeddedServer(socket_folder)


# How sharing works, and why no order of events breaks it.
#
# Two locks, both released by the kernel when their holders end, however they end:
#   clients   shared: held by every client from joining to leaving;
#             exclusive: held by a keeper from its decision to stop to its end;
#   server    exclusive: held by a client that makes the data and starts a keeper, and then by the keeper and, since
#             they inherit it, by all processes of the server.
#
# - A client that holds `clients` keeps the server: the keeper stops it only once `clients` is its own. A client that
#   arrives while the keeper stops waits for `clients`, then finds no server, and starts another one.
# - A starter killed half-way: its keeper goes on, and ends when the server is ready, unless another client has come.
# - A killed keeper: on Linux the kernel stops the server; elsewhere the server goes on, and is joined. A killed server:
#   its keeper ends. Either way the next client finds no server that answers, and waits for `server`.
def _join(cluster: Cluster, found: Installation, presence: LockFile, *, durable: bool) -> Path:
    """Return the folder of the socket of a server that is ready, which is started where there is none."""
    deadline = time.monotonic() + _START_SECONDS
    is_present = has_started = False
    while time.monotonic() < deadline:
        is_present = is_present or presence.try_acquire(shared=True)
        if is_present:
            folder = cluster.socket_folder()
            if folder is not None and cluster.is_ready() and _answers(f"{folder}/.s.PGSQL.{PORT}"):
                return folder
            with LockFile(cluster.server) as server:
                if server.try_acquire():
                    if has_started:
                        break  # it has ended again
                    _start(cluster, found, server, durable=durable)
                    has_started = True
        time.sleep(_STEP)
    said = cluster.log.read_text(encoding="utf-8", errors="replace").splitlines() if cluster.log.exists() else []
    raise EmbeddedPostgresError(
        "\n".join(["The embedded PostgreSQL server ended while it was starting, or took too long:", *said[-5:]]),
        next_step=f"Read its log, {cluster.log}, or look for a hanging process of this project and end it.",
    )


def _start(cluster: Cluster, found: Installation, server: LockFile, *, durable: bool) -> None:
    """Start the keeper, which starts the server."""
    identity = server_identity()
    cluster.clear_leftovers()
    installation = runnable_by(identity, found)
    cluster.create_data(installation, identity)
    # A socket's path may have 107 bytes (macOS: 103). A folder named by TMPDIR may be longer, and
    # the server's user may not be able to enter it.
    short = _SHORT_FOLDER if os.access(_SHORT_FOLDER, os.W_OK | os.X_OK) else tempfile.gettempdir()
    socket_folder = tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX, dir=short)
    os.chown(socket_folder, identity.uid, identity.gid)
    cluster.state.write_text(socket_folder, encoding="utf-8")
    settings = _SETTINGS | ({} if durable else _THROWAWAY_SETTINGS) | {"unix_socket_directories": socket_folder}
    with reachable(cluster.data) as (data, descriptors), cluster.log.open("wb") as log:
        command: list[str | Path] = [installation.bin_folder / "postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        subprocess.run(
            [*_KEEPER, cluster.clients, socket_folder, *map(str, identity), *command],
            cwd="/",
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is for the clients
            pass_fds=(*descriptors, server.fileno()),
            check=True,
        )


def _answers(path: str) -> bool:
    """Return whether a server answers there; one that was killed accepts connections until its last breath."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_ANSWER_SECONDS)
            probe.connect(path)
            probe.sendall(_SSL_REQUEST)
            return probe.recv(1) != b""
    except OSError:
        return False  # it crashed, and its keeper is about to end


def _other_version(data_folder: Path, found: Installation, old: int) -> EmbeddedPostgresError:
    home = data_folder / f"postgres-{old}"
    return EmbeddedPostgresError(
        f"{data_folder} holds the data of PostgreSQL {old}, which PostgreSQL {found.major} in {found.bin_folder} "
        "cannot read: it was not started, since it would begin with an empty database.",
        next_step=f"Name the bin folder of a PostgreSQL {old} in POSTGRES_BIN_FOLDER to go on. To move to "
        f"{found.major}, dump the data with that one's pg_dump first, move {home} away, unset POSTGRES_BIN_FOLDER, and "
        "load the dump with psql. Without that folder, an empty database is made.",
    )


def _leave(cluster: Cluster, presence: LockFile) -> None:
    """Leave; the last to leave waits until the server has ended, for at most _LEAVE_SECONDS."""
    presence.release()
    deadline = time.monotonic() + _LEAVE_SECONDS
    while time.monotonic() < deadline and cluster.home.exists():
        with LockFile(cluster.server) as server:
            if server.try_acquire():
                cluster.clear_leftovers()  # of a keeper that was killed
                return
        # Shared but not exclusive: others are left. Neither: the keeper is stopping.
        if not presence.try_acquire() and presence.try_acquire(shared=True):
            return
        presence.release()
        time.sleep(_STEP)
