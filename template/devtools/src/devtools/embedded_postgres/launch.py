"""Starting the keeper, and through it the server with the settings that suit a laptop."""

import os
import secrets
import subprocess
import tempfile
from pathlib import Path

from devtools.embedded_postgres.binaries import Installation
from devtools.embedded_postgres.cluster import Cluster, reachable
from devtools.embedded_postgres.leftovers import SOCKET_FOLDER_PREFIX
from devtools.embedded_postgres.locks import LockFile
from devtools.embedded_postgres.processes import KEEPER, Identity, clean_environment, cluster_mark

PORT = 5432  # a part of the socket's file name; nothing listens on TCP
_FORK_SECONDS = 30  # for Python to start and fork; a busy machine may take a while
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


def start_keeper(
    cluster: Cluster,
    installation: Installation,
    identity: Identity,
    *,
    keeper_lock: LockFile,
    durable: bool,
) -> None:
    """Start the keeper with the server; it writes the state file when the server is ready.

    Args:
        cluster: The files; the data folder exists.
        installation: Programs that `identity` can run.
        identity: The server's user.
        keeper_lock: The lock, held. The keeper takes it over; the caller's copy may be closed.
        durable: Whether data must survive a crash of the whole machine.

    Raises:
        OSError: The log cannot be written or the keeper cannot be started.
        subprocess.TimeoutExpired: The keeper hangs.
    """
    socket_folder = _short_folder() / f"{SOCKET_FOLDER_PREFIX}{secrets.token_hex(8)}"
    settings = _SETTINGS | ({} if durable else _THROWAWAY_SETTINGS)
    with reachable(cluster.data) as (data, descriptors), cluster.log.open("wb") as log:
        command: list[str | Path] = [installation.postgres, "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        command += ["-c", f"unix_socket_directories={socket_folder}"]
        command += ["-c", cluster_mark(cluster.data)]
        subprocess.run(
            [
                *(*KEEPER, "keep", str(keeper_lock.fileno())),
                *(cluster.clients_lock, cluster.postmaster_file, cluster.state, socket_folder),
                *identity.arguments,
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


def _short_folder() -> Path:
    # A socket's path may have 107 bytes (macOS: 103). A folder named by TMPDIR may be longer, and
    # the server's user may not be able to enter it.
    if os.access(_SHORT_FOLDER, os.W_OK | os.X_OK):
        return _SHORT_FOLDER
    return Path(tempfile.gettempdir())
