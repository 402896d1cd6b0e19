"""`app dev`: the server for development with its database, in one command."""

from pathlib import Path

from rich.table import Table

from app.cli import migrations
from app.cli.output import err, working
from app.cli.serve import Host, Port, require_free, run_server
from app.cli.settings import command_settings, require_devtools, with_database
from app.core.config import Environment
from app.core.config.loading import project_folder
from app.core.exceptions import ConfigurationError
from app.serving.parent_watch import stop_with_parent


def dev(host: Host = None, port: Port = None) -> None:
    """Serve for development: brings PostgreSQL if none is configured, migrates it, reloads on changes."""
    require_devtools("`app dev`")
    settings = command_settings()
    if settings.environment is not Environment.DEVELOPMENT:
        raise ConfigurationError(
            f"`app dev` is for development, and ENVIRONMENT is {settings.environment}.",
            next_step="Use `app serve`, or unset ENVIRONMENT.",
        )
    address = host or settings.api.host, port or settings.api.port
    require_free(*address)
    stop_with_parent()
    with with_database(settings) as ready:
        with working("Migrating …"):
            migrations.upgrade(ready)
        _announce(f"http://{address[0]}:{address[1]}", embedded=not settings.database.is_configured)
        run_server(
            ready,
            factory="devtools.server:create_app",
            host=address[0],
            port=address[1],
            reload_folder=str(Path(__file__).parents[1]),
        )


def _announce(base: str, *, embedded: bool) -> None:
    table = Table.grid(padding=(0, 3))
    table.add_row("API", f"{base}/docs")
    table.add_row("Health", f"{base}/api/v1/health/ready")
    table.add_row("Database", f"embedded, data in {project_folder() / '.data'}" if embedded else "as configured")
    err.print("\nStarting; stop with Ctrl-C.\n", style="bold")
    err.print(table)
    err.print()
