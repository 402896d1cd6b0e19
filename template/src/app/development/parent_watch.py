"""Ending with the process that started this one, however that one ended.

A server that reloads is two processes, and `uv run` makes it three. A killed parent passes no signal on, so its
children would go on listening without anybody who could stop them.
"""

import os
import signal
import threading
import time

_POLL_SECONDS = 0.5
# How long a polite stop may take before the process is ended for good.
_GRACE_SECONDS = 5.0


def stop_with_parent() -> None:
    """Watch, from a thread, for this process becoming somebody else's child; then stop it as Ctrl-C would.

    Nobody's child from the start (a service manager's, a detached shell's) is left alone.
    """
    parent = os.getppid()
    if parent > 1:
        threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
