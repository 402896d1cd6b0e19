"""The end of this process when its parent ends, killed or not.

A server of several processes has a supervisor, one that reloads has a watcher, and `uv run` is one more parent. A
killed parent passes no signal on, so its children would go on listening with nothing left to stop them.
"""

import multiprocessing
import os
import signal
import threading
import time

DEFAULT_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.5


def stop_with_supervisor(*, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> None:
    """Stop this process with the one that spawned it as a worker; a process that is no worker is left alone.

    Args:
        grace_seconds: The time for a graceful stop, after which the process is killed.
    """
    if (supervisor := multiprocessing.parent_process()) is not None and supervisor.pid is not None:
        _watch(supervisor.pid, grace_seconds)


def stop_with_parent(*, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> None:
    """Stop this process with its parent.

    A child of PID 1 from the start (a service manager's, a detached shell's) is left alone.

    Args:
        grace_seconds: The time for a graceful stop, after which the process is killed.
    """
    if (parent := os.getppid()) > 1:
        _watch(parent, grace_seconds)


def _watch(parent: int, grace_seconds: float) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        # A graceful stop first; a process that does not stop has nothing else to end it.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
