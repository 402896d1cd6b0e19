"""The application as each process of `app serve` loads it: that of `app.main`, set aside from garbage collection."""

import gc
from typing import Final

from fastapi import FastAPI

from app.serving.parent_watch import stop_with_supervisor

# How many more containers are made than freed before the collector looks through the youngest. Python's 700 (2 000 from
# 3.13 on) are what a few dozen requests under way have anyway: it would look through them over and over, which takes
# 3 % of the CPU.
GC_THRESHOLD: Final = 10_000


def create_app() -> FastAPI:
    """Return the application, frozen after its imports; the process stops when its supervisor is gone.

    Modules make some 150 000 objects, and all of them stay. Looking for garbage among them again and again takes a
    tenth of the start, and later some 30 ms of every full collection, in the middle of a request. Frozen (Python's
    `gc.freeze`), they are never looked at again.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    gc.disable()
    try:
        # Here, so that nothing is collected while it is imported.
        from app import main  # noqa: PLC0415
        from app.core.config import get_settings  # noqa: PLC0415

        settings = get_settings()
        stop_with_supervisor(grace_seconds=settings.stop_seconds)
        app = main.create_app(settings)
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
    finally:
        gc.enable()
    return app
