"""The base of a command: checked settings, a database, and the services of the application."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from app.cli.output import err
from app.core.config import ApplicationSettings, get_settings
from app.core.config.loading import export_database_url, needs_env_file, project_folder
from app.core.logging import configure_logging

P = ParamSpec("P")


def command_settings() -> ApplicationSettings:
    """Return the settings; in development, the first command writes a `.env`. Warnings are logged beside the results.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    if needs_env_file():
        # Without the tools for development, as in the image, the settings say what is missing.
        with suppress(ModuleNotFoundError):
            from devtools.env_file import ensure_env_file  # noqa: PLC0415 — absent from the image

            if ensure_env_file(project_folder()):
                err.print("wrote .env with fresh secrets for development")
    settings = get_settings()
    configure_logging(level="WARNING", json_lines=settings.logging.format == "json", stream=sys.stderr)
    return settings


@contextmanager
def with_database(settings: ApplicationSettings) -> Iterator[ApplicationSettings]:
    """Give the settings a database: the configured one, which always wins, or in development an embedded server.

    Child processes find the embedded server, too. It stops when the last command that uses it ends.
    """
    if settings.database.is_configured:
        yield settings
        return
    from devtools.embedded_postgres import embedded_postgres  # noqa: PLC0415 — absent from the image

    folder = settings.database.embedded_bin_folder
    with embedded_postgres(project_folder() / ".data", bin_folder=Path(folder) if folder else None) as server:
        export_database_url(server.url)
        yield settings.with_database_url(server.url)


async def require_session_settings(settings: ApplicationSettings) -> tuple[str, int]:
    """Return the version of the database's server, and its `max_connections`.

    ConfigurationError where requests would run without their limits.
    """
    # Until PostgreSQL starts, `app dev` can do without.
    from sqlalchemy import text  # noqa: PLC0415

    from app.core.database import Database, check_session_settings  # noqa: PLC0415

    database = Database(settings.database)
    try:
        await check_session_settings(database)
        async with database.writing.engine.connect() as connection:
            question = text("SELECT current_setting('server_version'), current_setting('max_connections')::int")
            version, limit = (await connection.execute(question)).one()
            return version, limit
    finally:
        await database.close()


def with_services(command: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Make a command of a coroutine function, which has all services, on a database with its tables."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        # Commands on the database alone need neither.
        from app.cli import migrations  # noqa: PLC0415
        from app.wiring import open_services  # noqa: PLC0415

        async def work() -> None:
            async with open_services(settings):
                await command(*args, **kwargs)

        with with_database(command_settings()) as settings:
            migrations.require_current(settings.database, or_newer=True)
            asyncio.run(work())

    return run
