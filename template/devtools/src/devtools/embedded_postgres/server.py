"""The context manager: join the server that runs on a data folder, or start it."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from devtools.embedded_postgres.binaries import Installation, find_installation
from devtools.embedded_postgres.cluster import Cluster, majors_with_data
from devtools.embedded_postgres.errors import (
    EmbeddedPostgresError,
    full_disk,
    is_full_disk,
)
from devtools.embedded_postgres.identity import server_identity
from devtools.embedded_postgres.launch import PORT, start_keeper
from devtools.embedded_postgres.leftovers import clear_leftovers
from devtools.embedded_postgres.locks import LockFile
from devtools.embedded_postgres.processes import Identity
from devtools.embedded_postgres.readable import runnable_by

_START_SECONDS = 60.0  # for an initdb, a crash recovery, or another client's start to end
_LEAVE_SECONDS = 20.0
_STEP = 0.002
_ANSWER_SECONDS = 5.0
# The shortest question of the protocol (PostgreSQL documentation, 54.7, SSLRequest); "no" is an answer, too.
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server.

    Attributes:
        major: Its major version.
        source: Where its programs came from, as a sentence.
        socket_folder: The folder of its socket, which only the current user can enter.
    """

    major: int
    source: str
    socket_folder: Path

    @property
    def url(self) -> str:
        """The address of the database that always exists."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """SQLAlchemy's address of a database on this server, whether it exists or not.

        The port is spelt out because asyncpg would take another one from PGPORT.
        """
        host = quote(str(self.socket_folder))
        return f"postgresql+asyncpg://postgres@/{quote(name, safe='')}?host={host}&port={PORT}"


@contextmanager
def embedded_postgres(
    data_folder: Path, *, bin_folder: Path | None = None, durable: bool = True
) -> Iterator[EmbeddedServer]:
    """Run a PostgreSQL server for as long as the context lasts, shared by all who ask for it.

    Args:
        data_folder: The folder for `postgres-<major>`, which holds the data between two runs.
        bin_folder: Where PostgreSQL's programs are; found by itself when it is None.
        durable: Whether data must survive a crash of the whole machine. Only the one who starts
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
    cluster.prepare(identity)
    with LockFile(cluster.clients_lock) as presence:
        try:
            socket_folder = _join(cluster, found, identity, presence=presence, durable=durable)
            yield EmbeddedServer(major=found.major, source=found.source, socket_folder=socket_folder)
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
#   one before it starts a keeper. `start` makes the two one step for everybody else, who could
#   otherwise connect to the dying server of a killed keeper. The keeper of a crashed server may
#   not have removed its state file yet: a connection must succeed, too.
# - A killed keeper: on Linux the kernel stops the server; elsewhere it becomes an orphan. Either
#   way the next starter, who gets the keeper's lock, ends that server first (`leftovers.py`).
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
    with LockFile(cluster.start_lock) as start:
        start.acquire(deadline=deadline)
        presence.acquire(shared=True, deadline=deadline)
        while time.monotonic() < deadline:
            with LockFile(cluster.keeper_lock) as keeper_lock:
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
    try:
        clear_leftovers(cluster)
        cluster.check_space()
        installation = runnable_by(identity, found)
        cluster.create_data(installation, identity)
        cluster.restrict_data()
        start_keeper(cluster, installation, identity, keeper_lock=keeper_lock, durable=durable)
    except OSError as err:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL server cannot be started: {err}.",
            next_step=f"Check the permissions of {cluster.home} and what is in it.",
        ) from err


def _ready_socket_folder(cluster: Cluster) -> Path | None:
    try:
        socket_folder, *processes = cluster.state.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    if not processes:
        return None  # the keeper lives, the server is still starting
    return Path(socket_folder) if _answers(f"{socket_folder}/.s.PGSQL.{PORT}") else None


def _answers(path: str) -> bool:
    """Whether a server answers there; one that was killed accepts connections until its last breath."""
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


def _failed_start(cluster: Cluster) -> EmbeddedPostgresError:
    tail = _log_tail(cluster)
    if is_full_disk(tail):
        return full_disk(cluster.home)
    return EmbeddedPostgresError(
        f"The embedded PostgreSQL server ended while it was starting:\n{tail}",
        next_step=f"Read its log, {cluster.log}.",
    )


def _leave(cluster: Cluster, presence: LockFile) -> None:
    """Leave; the last to leave waits until the keeper has ended, for at most _LEAVE_SECONDS."""
    if presence.abandoned:
        return  # a forked child, which never joined
    presence.release()
    deadline = time.monotonic() + _LEAVE_SECONDS
    while time.monotonic() < deadline and cluster.home.exists():
        with LockFile(cluster.start_lock) as start:
            # Without it, a look at the keeper's lock could be taken for the keeper itself.
            if start.try_acquire():
                last = presence.try_acquire()
                with LockFile(cluster.keeper_lock) as keeper:
                    if keeper.try_acquire():
                        if last:  # for a keeper that was killed; the others still use its server
                            clear_leftovers(cluster)
                        return
                # Shared but not exclusive: others are left. Neither: the keeper is stopping.
                if not last and presence.try_acquire(shared=True):
                    return
                presence.release()
        time.sleep(_STEP)
