"""Running PostgreSQL's programs, and telling which process runs on which data."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Isolated and without site-packages, for speed: it imports the standard library alone.
KEEPER = (sys.executable, "-I", "-S", Path(__file__).with_name("keeper.py").absolute())
_CLUSTER_SETTING = "embedded_postgres.cluster"
_PROCESSES = Path("/proc")  # Linux
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class Identity:
    """The user that PostgreSQL's programs run as.

    Attributes:
        uid: The user's number.
        gid: The number of the user's group.
        switched: Whether that is another user than the one of this process (which is root).
    """

    uid: int
    gid: int
    switched: bool

    @property
    def arguments(self) -> tuple[str, str]:
        """How `keeper.py` is told: the two numbers, or -1 to stay who one is."""
        return (str(self.uid), str(self.gid)) if self.switched else ("-1", "-1")


def clean_environment() -> dict[str, str]:
    """The environment for PostgreSQL's programs: nothing of the caller's PGDATA, PGPORT and so on.

    LC_ALL=C gives English messages, which `server.py` recognises, and lets macOS start at all.
    """
    kept = {name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **kept}


def run(
    command: Sequence[str | Path],
    *,
    identity: Identity | None = None,
    descriptors: Sequence[int] = (),
    seconds: float,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `identity`, for at most `seconds`; its output is captured.

    Raises:
        OSError: It cannot be executed.
        subprocess.TimeoutExpired: It took too long and was killed.
    """
    switch = identity if identity is not None and identity.switched else None
    return subprocess.run(
        command,
        cwd="/",
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
        pass_fds=descriptors,
        umask=0o077,
        user=switch.uid if switch else None,
        group=switch.gid if switch else None,
        extra_groups=[] if switch else None,
    )


def cluster_mark(data: Path) -> str:
    """A setting that names a data folder on its server's command line, wherever it is moved to.

    The path will not do: the server is started with a path below /proc (see `cluster.py`).
    """
    status = data.stat()
    return f"{_CLUSTER_SETTING}={status.st_dev}:{status.st_ino}"


def command_line(pid: int) -> str:
    """The command line of a process, empty when there is no such process."""
    if _PROCESSES.is_dir():
        try:
            return (_PROCESSES / f"{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    return run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], seconds=10).stdout


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process has `folder` as its current folder, as far as this can be seen.

    In a container without CAP_SYS_PTRACE root may not look at another user's process.
    """
    try:
        return os.path.samestat((_PROCESSES / f"{pid}/cwd").stat(), folder.stat())
    except OSError:
        return False
