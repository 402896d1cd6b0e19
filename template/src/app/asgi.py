"""The application as each process of `app serve` loads it: that of `app.main`, set aside from garbage collection."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from typing import Final

from fastapi import FastAPI

# How many more containers are made than freed before the collector looks through the youngest. Python's 700 (2 000 from
# 3.13 on) are what a few dozen requests under way have anyway, which costs 3 % of the CPU.
GC_THRESHOLD: Final = 10_000


def create_app() -> FastAPI:
    """Return the application, frozen after its imports; the process stops when its supervisor is gone.

    Modules make some 150 000 objects that stay. Looking for garbage among them takes a tenth of the start, and later
    some 30 ms of every full collection, in the middle of a request; frozen (`gc.freeze`), they are never looked at.
    """
    gc.disable()
    # Here, so that nothing is collected while it is imported.
    from app import main  # noqa: PLC0415
    from app.core.config import get_settings  # noqa: PLC0415

    settings = get_settings()
    stop_with_supervisor(grace_seconds=settings.stop_seconds)
    app = main.create_app(settings)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()
    return app


def stop_with_supervisor(*, grace_seconds: float = 5.0) -> None:
    """Stop this process with the one that spawned it as a worker, and kill it when `grace_seconds` have passed.

    A killed supervisor passes no signal on, so its workers would go on listening with nothing left to stop them.
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
