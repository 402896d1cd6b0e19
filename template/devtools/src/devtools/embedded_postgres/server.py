"""The context manager: join the server that runs on a data folder, or start it."""

import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from devtools.embedded_postgres.cluster import (
    KEEPER,
    SOCKET_FOLDER_PREFIX,
    Cluster,
    majors_with_data,
    reachable,
    switch_arguments,
)
from devtools.embedded_postgres.copying import runnable_by
from devtools.embedded_postgres.locks import LockFile
from devtools.embedded_postgres.programs import (
    EmbeddedPostgresError,
    Identity,
    Installation,
    clean_environment,
    find_installation,
    server_identity,
)

PORT = 5432  # a part of the socket's file name; nothing listens on TCP
_START_SECONDS = 60.0  # for an initdb, a crash recovery, or another client's start to end
_LEAVE_SECONDS = 20.0
_FORK_SECONDS = 30  # for Python to start and fork; a busy machine may take a while
_STEP = 0.002
_ANSWER_SECONDS = 5.0
# The shortest question of the protocol (PostgreSQL documentation, 54.7, SSLRequest); "no" is an answer, too.
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_SHORT_FOLDER = Path("/tmp")
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": PORT,
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "max_connections": 200,
    "shared_buffers": "64MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_logical_replication_workers": 0,
    "jit": "off",
    "synchronous_commit": "off",
}
_THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server.

    Attributes:
        major: Its major version.
        socket_folder: The folder of its socket, which only the current user can enter.
    """

    major: int
    socket_folder: Path

    @property
    def url(self) -> str:
        """The address of the database that always exists."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Return SQLAlchemy's address of a database on this server, whether it exists or not.

        The port is spelt out because asyncpg would take another one from PGPORT.
        """
        host = quote(str(self.socket_folder))
        return f"postgresql+asyncpg://postgres@/{quote(name, safe='')}?host={host}&port={PORT}"


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
    majors = majors_with_data(data_folder)
    found = find_installation(bin_folder, majors=majors)
    if majors and found.major not in majors:
        raise _other_version(data_folder, found, max(majors))
    identity = server_identity()
    cluster = Cluster(data_folder.absolute() / f"postgres-{found.major}")
    try:
        cluster.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        raise _unusable(cluster, err) from err
    with LockFile(cluster.lock("clients")) as presence:
        try:
            socket_folder = _join(cluster, found, identity, presence=presence, durable=durable)
            yield EmbeddedServer(major=found.major, socket_folder=socket_folder)
        finally:
            _leave(cluster, presence)


# How sharing works, and why no order of events breaks it.
#
# Three locks, all released by the kernel when their holder ends, however it ends:
#   start     exclusive: held while a client joins, or looks whether it was the last to leave;
#   clients   shared: held by every client from joining to leaving;
#             exclusive: held by a keeper from its decision to stop to its end;
#   keeper    exclusive: held by the keeper from before its first instruction (it inherits the
#             lock) to its end.
#
# - A client that holds `clients` keeps the server: the keeper stops it only once `clients` is its
#   own. A client that arrives while the keeper stops waits for `clients`, then finds no keeper, or
#   waits until it has gone, and starts another one.
# - Two first starters: `start` lets one in; the other then finds a keeper, or starts one itself if
#   the first failed.
# - A starter killed half-way: its keeper gets `clients` and ends; or, if another client came first,
#   that one finds the keeper's lock held and waits for its state file as the starter did.
# - A state file is believed only while the keeper's lock is held, and the starter removes the old
#   one before it starts a keeper. `start` makes the two one step for all others, which could
#   otherwise connect to the dying server of a killed keeper. The keeper of a crashed server may
#   not have removed its state file yet: a connection must succeed, too.
# - A killed keeper: on Linux the kernel stops the server; elsewhere it becomes an orphan. Either
#   way the next starter, who gets the keeper's lock, ends that server first (`clear_leftovers`).
def _join(
    cluster: Cluster,
    found: Installation,
    identity: Identity,
    *,
    presence: LockFile,
    durable: bool,
) -> Path:
    deadline = time.monotonic() + _START_SECONDS
    started = False
    with LockFile(cluster.lock("start")) as start:
        start.acquire(deadline=deadline)
        presence.acquire(shared=True, deadline=deadline)
        while time.monotonic() < deadline:
            with LockFile(cluster.lock("keeper")) as keeper_lock:
                if keeper_lock.try_acquire():
                    if started and not _old_backends_run(cluster):
                        raise _failed_start(cluster)
                    _start(cluster, found, identity, keeper_lock=keeper_lock, durable=durable)
                    started = True
            socket_folder = _ready_socket_folder(cluster)
            if socket_folder is not None:
                return socket_folder
            time.sleep(_STEP)
    raise EmbeddedPostgresError(
        f"The embedded PostgreSQL server was not ready after {_START_SECONDS:.0f} seconds.",
        next_step=f"Read its log, {cluster.log}.",
    )


def _start(
    cluster: Cluster,
    found: Installation,
    identity: Identity,
    *,
    keeper_lock: LockFile,
    durable: bool,
) -> None:
    """Start the keeper with the server; it writes the state file when the server is ready, and takes the lock over."""
    try:
        cluster.clear_leftovers()
        installation = runnable_by(identity, found)
        cluster.create_data(installation, identity)
        # A socket's path may have 107 bytes (macOS: 103). A folder named by TMPDIR may be longer, and
        # the server's user may not be able to enter it.
        short = _SHORT_FOLDER if os.access(_SHORT_FOLDER, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
        socket_folder = short / f"{SOCKET_FOLDER_PREFIX}{secrets.token_hex(8)}"
        settings = _SETTINGS | ({} if durable else _THROWAWAY_SETTINGS)
        with reachable(cluster.data) as (data, descriptors), cluster.log.open("wb") as log:
            command: list[str | Path] = [installation.bin_folder / "postgres", "-D", data, "-c", cluster.mark]
            for name, value in (settings | {"unix_socket_directories": socket_folder}).items():
                command += ["-c", f"{name}={value}"]
            subprocess.run(
                [
                    *(*KEEPER, "keep", str(keeper_lock.fileno())),
                    *(cluster.lock("clients"), cluster.postmaster_file, cluster.state, socket_folder),
                    *switch_arguments(identity),
                    *command,
                ],
                cwd="/",
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the clients
                pass_fds=(*descriptors, keeper_lock.fileno()),
                timeout=_FORK_SECONDS,
                check=False,  # the log says what went wrong, and the lock says that it did
            )
    except OSError as err:
        raise _unusable(cluster, err) from err


def _ready_socket_folder(cluster: Cluster) -> Path | None:
    try:
        socket_folder, *processes = cluster.state.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    if not processes:
        return None  # the keeper lives, the server is still starting
    return Path(socket_folder) if _answers(f"{socket_folder}/.s.PGSQL.{PORT}") else None


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


def _old_backends_run(cluster: Cluster) -> bool:
    # Backends of a server that was killed together with its keeper end by themselves, but late.
    return "pre-existing shared memory block" in _log_tail(cluster)


def _log_tail(cluster: Cluster) -> str:
    try:
        lines = cluster.log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-5:])


def _other_version(data_folder: Path, found: Installation, old: int) -> EmbeddedPostgresError:
    home = data_folder / f"postgres-{old}"
    return EmbeddedPostgresError(
        f"{data_folder} holds the data of PostgreSQL {old}, which PostgreSQL {found.major} in {found.bin_folder} "
        "cannot read: it was not started, since it would begin with an empty database.",
        next_step=f"Name the bin folder of a PostgreSQL {old} in POSTGRES_BIN_FOLDER to go on. To move to "
        f"{found.major}, dump the data with that one's pg_dump first, move {home} away, unset POSTGRES_BIN_FOLDER, and "
        "load the dump with psql. Without that folder, an empty database is made.",
    )


def _unusable(cluster: Cluster, err: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"The folder {cluster.home} for the embedded PostgreSQL server's data cannot be used: {err}.",
        next_step="Check which user owns it, and whether the disk has space left.",
    )


def _failed_start(cluster: Cluster) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"The embedded PostgreSQL server ended while it was starting:\n{_log_tail(cluster)}",
        next_step=f"Read its log, {cluster.log}.",
    )


def _leave(cluster: Cluster, presence: LockFile) -> None:
    """Leave; the last to leave waits until the keeper has ended, for at most _LEAVE_SECONDS."""
    presence.release()
    deadline = time.monotonic() + _LEAVE_SECONDS
    while time.monotonic() < deadline and cluster.home.exists():
        with LockFile(cluster.lock("start")) as start:
            # Without it, a look at the keeper's lock could be taken for the keeper itself.
            if start.try_acquire():
                last = presence.try_acquire()
                with LockFile(cluster.lock("keeper")) as keeper:
                    if keeper.try_acquire():
                        if last:  # for a keeper that was killed; the others still use its server
                            cluster.clear_leftovers()
                        return
                # Shared but not exclusive: others are left. Neither: the keeper is stopping.
                if not last and presence.try_acquire(shared=True):
                    return
                presence.release()
        time.sleep(_STEP)
