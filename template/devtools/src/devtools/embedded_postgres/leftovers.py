"""Clearing away what a killed server, a killed keeper or a reboot left behind.

Called with the keeper's lock held: no keeper is alive, so whatever is there is a leftover. A PID on
its own proves nothing, since after a reboot or a while it is another program's.
"""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from devtools.embedded_postgres.cluster import Cluster
from devtools.embedded_postgres.errors import EmbeddedPostgresError
from devtools.embedded_postgres.processes import cluster_mark, command_line, works_in

SOCKET_FOLDER_PREFIX = "embedded-postgres-"
# Seconds for a fast shutdown, an immediate one, and the kernel's end of it.
_STOP_SIGNALS = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_STEP = 0.005


def clear_leftovers(cluster: Cluster) -> None:
    """Stop an orphaned server of this cluster and remove stale files. The data stay as they are.

    Raises:
        EmbeddedPostgresError: Somebody started a server of their own on this data folder.
    """
    _remove_socket_folder(cluster)
    cluster.state.unlink(missing_ok=True)
    pid = _recorded_pid(cluster.postmaster_file)
    if pid is None:
        return
    if _is_orphan(pid, cluster):
        _stop(pid, cluster)
    elif works_in(pid, cluster.data) and "postgres" in command_line(pid):
        raise EmbeddedPostgresError(
            f"Another PostgreSQL server (process {pid}) runs on {cluster.data}.",
            next_step=f"Stop it: kill -INT {pid}",
        )
    # PostgreSQL refuses to start when the PID in there is alive, whichever program it is.
    cluster.postmaster_file.unlink(missing_ok=True)


def _remove_socket_folder(cluster: Cluster) -> None:
    with suppress(OSError):
        recorded = Path(cluster.state.read_text(encoding="utf-8").splitlines()[0])
        if recorded.name.startswith(SOCKET_FOLDER_PREFIX):
            shutil.rmtree(recorded)


def _recorded_pid(postmaster_file: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        pid = int(postmaster_file.read_text(encoding="utf-8", errors="replace").splitlines()[0])
        return pid if pid > 0 else None
    return None


def _is_orphan(pid: int, cluster: Cluster) -> bool:
    return cluster_mark(cluster.data) in command_line(pid)


def _stop(pid: int, cluster: Cluster) -> None:
    for number, patience in _STOP_SIGNALS:
        deadline = time.monotonic() + patience
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        while time.monotonic() < deadline:
            if not _is_orphan(pid, cluster):
                return
            time.sleep(_STEP)
