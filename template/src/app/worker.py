"""What each process of `app serve` loads: the application of `app.main`, started without Python's garbage collector."""

import gc

from fastapi import FastAPI


def create_app() -> FastAPI:
    """The application, with all that its imports have made set aside.

    Modules make some 150 000 objects, and all of them stay. Looking for garbage among them again and again takes a
    tenth of the start, and later some 30 ms of every full collection, in the middle of somebody's request. Frozen
    (Python's `gc.freeze`), they are never looked at again.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    gc.disable()
    try:
        # Here, so that nothing is collected while it is imported.
        from app import main  # noqa: PLC0415

        app = main.create_app()
        gc.freeze()
    finally:
        gc.enable()
    return app
