"""The base of a command: checked settings and a database, brought up where none is configured."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.cli.output import err, working
from app.core.config import ApplicationSettings, Environment, get_settings
from app.core.config.loading import export_database_url, project_folder
from app.core.config.logging import LogFormat, LogLevel
from app.core.exceptions import ConfigurationError
from app.core.logging import configure_logging
from app.development.env_file import ensure_env_file

_DATA_FOLDER = ".data"


def command_settings() -> ApplicationSettings:
    """Return the settings, and log warnings by them; in development, the first command writes a `.env`.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    if ensure_env_file(project_folder()):
        err.print("wrote .env with fresh secrets for development")
    settings = get_settings()
    # Beside the command's results, which say what has been done.
    json_lines = settings.logging.format is LogFormat.JSON
    configure_logging(level=LogLevel.WARNING, json_lines=json_lines, stream=sys.stderr)
    return settings


@contextmanager
def with_database(settings: ApplicationSettings) -> Iterator[ApplicationSettings]:
    """Give the settings a database: the configured one, which always wins, or the project's own embedded server.

    Child processes find the embedded server, too. It stops when the last command that uses it ends.

    Raises:
        ConfigurationError: There is none, and none can be started.
    """
    if settings.database.is_configured:
        yield settings
        return
    if settings.environment is not Environment.DEVELOPMENT:
        raise ConfigurationError(
            f"No database is configured, and {settings.environment} does not start one.",
            next_step="Set DATABASE_URL, or POSTGRES_HOST and its companions.",
        )
    # For checkouts alone, and one more thing that may be missing.
    from app.development.embedded_postgres import embedded_postgres  # noqa: PLC0415

    folder = settings.database.embedded_bin_folder
    with ExitStack() as stack:
        with working("Starting PostgreSQL …"):
            server = stack.enter_context(
                embedded_postgres(project_folder() / _DATA_FOLDER, bin_folder=Path(folder) if folder else None)
            )
        export_database_url(server.url)
        yield settings.with_database_url(server.url)
