"""The application as `app dev` runs it, in a process that is replaced whenever a file changes."""

from fastapi import FastAPI

from app.development.parent_watch import stop_with_parent
from app.main import create_app as create_production_app


def create_app() -> FastAPI:
    """The application, in a process that ends with the one that watches the files."""
    stop_with_parent()
    return create_production_app()
