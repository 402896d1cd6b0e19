"""What a command runs on: checked settings and a database, brought up where none is configured."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.cli.output import err, working
from app.core.config import ApplicationSettings, Environment, get_settings
from app.core.config.loading import export_database_url, project_folder
from app.core.exceptions import ConfigurationError
from app.development.embedded_postgres import embedded_postgres
from app.development.env_file import ensure_env_file

_DATA_FOLDER = ".data"


def command_settings() -> ApplicationSettings:
    """The settings; in development, the first command writes a `.env` with fresh secrets.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    if ensure_env_file(project_folder()):
        err.print("wrote .env with fresh secrets for development")
    return get_settings()


@contextmanager
def with_database(settings: ApplicationSettings) -> Iterator[ApplicationSettings]:
    """The settings with a database: the configured one, which always wins, or the project's own embedded server.

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
    folder = settings.database.embedded_bin_folder
    with ExitStack() as stack:
        with working("Starting PostgreSQL …"):
            server = stack.enter_context(
                embedded_postgres(project_folder() / _DATA_FOLDER, bin_folder=Path(folder) if folder else None)
            )
        export_database_url(server.url)
        yield settings.with_database_url(server.url)
