"""The application as `app dev` runs it, in a process that is replaced whenever a file changes."""

from fastapi import FastAPI

from app.asgi import stop_with_supervisor
from app.main import create_app as create_production_app


def create_app() -> FastAPI:
    """Return the application, in a process that ends with the one that watches the files."""
    stop_with_supervisor()
    return create_production_app()
