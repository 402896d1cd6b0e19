"""The end of a worker when its supervisor ends, killed or not.

A killed supervisor passes no signal on, so its workers would go on listening with nothing left to stop them.
"""

import multiprocessing
import os
import signal
import threading
import time


def stop_with_supervisor(*, grace_seconds: float = 5.0) -> None:
    """Stop this process with the one that spawned it as a worker; a process that is no worker is left alone.

    Args:
        grace_seconds: The time for a graceful stop, after which the process is killed.
    """
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def watch() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
