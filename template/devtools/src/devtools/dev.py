"""`app dev`: PostgreSQL, its migrations and the server, for development."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import app
from app.cli.output import err
from app.cli.serve import Host, Port, free_address, run_server
from app.cli.settings import command_settings, with_database
from app.core.config.section import Environment
from app.core.exceptions import ConfigurationError

# Imported while PostgreSQL starts, which takes as long. The last is the server's own: it finds its modules compiled.
_MODULES = ("app.cli.migrations", "app.core.jobs.engine", "app.protocol", "app.main")


def dev(host: Host = None, port: Port = None) -> None:
    """Serve on a database that is brought where none is configured, and migrated; reload on changes."""
    settings = command_settings()
    if settings.environment is not Environment.DEVELOPMENT:
        raise ConfigurationError(
            f"`app dev` is for development, and ENVIRONMENT is {settings.environment}.",
            next_step="Use `app serve`, or unset ENVIRONMENT.",
        )
    host, port = free_address(settings, host, port)
    ThreadPoolExecutor(1).map(import_module, _MODULES)
    with with_database(settings) as ready:
        from app.cli import migrations  # noqa: PLC0415 — as above

        with err.status("Migrating …"):
            migrations.upgrade(ready)
        err.print(f"http://{host}:{port}/docs, reloads on changes; stop with Ctrl-C", style="bold")
        package = list(app.__path__)
        run_server(ready, "devtools.server:create_app", host=host, port=port, reload=True, reload_dirs=package)
