"""The base of a command: its output and questions, checked settings, and a database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console

from app.core.config import ApplicationSettings, Environment, get_settings
from app.core.config.loading import export_database_url, project_folder, stage_name
from app.core.exceptions import ConfigurationError
from app.core.logging import configure_logging

T = TypeVar("T")

# Results on standard output, everything else on standard error.
out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def ask(question: str, *, secret: bool = False, instead: str) -> str:
    """Return a person's answer.

    Args:
        question: One line.
        secret: The answer is not shown.
        instead: The next step where there is no terminal.

    Raises:
        ConfigurationError: There is no terminal to ask in.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask in.", next_step=instead)
    import questionary  # noqa: PLC0415 — a whole terminal toolkit, for the few commands that ask

    answer = (questionary.password if secret else questionary.text)(question).ask()
    if answer is None:
        raise typer.Abort
    return str(answer)


def command_settings() -> ApplicationSettings:
    """Return the settings; in development, the first command writes a `.env`. Warnings are logged beside the results.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    if stage_name() == Environment.DEVELOPMENT:
        # Without the tools for development, as in the image, the settings say what is missing.
        with suppress(ModuleNotFoundError):
            from devtools.env_file import ensure_env_file  # noqa: PLC0415 — absent from the image

            if ensure_env_file(project_folder()):
                err.print("wrote .env with fresh secrets for development")
    settings = get_settings()
    json_lines = settings.logging.format == "json"
    configure_logging(level="WARNING", json_lines=json_lines, stream=sys.stderr)
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
    with ExitStack() as stack:
        with err.status("Starting PostgreSQL …"):
            server = stack.enter_context(
                embedded_postgres(project_folder() / ".data", bin_folder=Path(folder) if folder else None)
            )
        export_database_url(server.url)
        yield settings.with_database_url(server.url)


def run_with_services(work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of some work with all of the application's services, on a database that has its tables."""
    # Commands on the database alone need neither.
    from app.cli import migrations  # noqa: PLC0415
    from app.wiring import open_services  # noqa: PLC0415

    async def run(settings: ApplicationSettings) -> T:
        async with open_services(settings):
            return await work()

    with with_database(command_settings()) as settings:
        migrations.require_current(settings.database, or_newer=True)
        return asyncio.run(run(settings))
