"""`app serve`, the server for production, and `app dev`, the one for development with its database."""

import asyncio
import socket
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from app.cli import migrations
from app.cli.output import err
from app.cli.settings import command_settings, with_database
from app.core.config import ApplicationSettings, Environment
from app.core.database import Database, check_session_settings
from app.core.exceptions import ConfigurationError
from app.core.logging import configure_logging
from app.core.security import with_mapped_forms
from app.protocol import BoundedHttpProtocol

Host = Annotated[str | None, typer.Option(help="Address to listen on; API_HOST unless given.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; API_PORT unless given.")]


def serve(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; API_WORKERS unless given.")] = None,
) -> None:
    """Serve requests with several processes; stops when those under way are answered."""
    settings = command_settings()
    if not settings.database.is_configured:
        raise ConfigurationError(
            "No database is configured.",
            next_step="Set DATABASE_URL or POSTGRES_HOST, or start with `app dev`, which brings its own.",
        )
    host, port = _free_address(settings, host, port)
    migrations.require_current(settings.database, or_newer=True)
    asyncio.run(_require_session_settings(settings))
    _run_server(settings, "app.asgi:create_app", host=host, port=port, workers=workers or settings.api.workers)


def dev(host: Host = None, port: Port = None) -> None:
    """Serve for development: brings PostgreSQL if none is configured, migrates it, reloads on changes."""
    settings = command_settings()
    if settings.environment is not Environment.DEVELOPMENT:
        raise ConfigurationError(
            f"`app dev` is for development, and ENVIRONMENT is {settings.environment}.",
            next_step="Use `app serve`, or unset ENVIRONMENT.",
        )
    host, port = _free_address(settings, host, port)
    with with_database(settings) as ready:
        with err.status("Migrating …"):
            migrations.upgrade(ready)
        err.print(f"http://{host}:{port}/docs, reloads on changes; stop with Ctrl-C", style="bold")
        _run_server(
            ready,
            "devtools.server:create_app",
            host=host,
            port=port,
            reload=True,
            reload_dirs=str(Path(__file__).parents[1]),
        )


def _free_address(settings: ApplicationSettings, host: str | None, port: int | None) -> tuple[str, int]:
    """Return the address to listen on; fails before anything is started when it is taken."""
    host, port = host or settings.api.host, port or settings.api.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {host}:{port} ({error.strerror}).",
            next_step="Stop what listens there, or choose another with --port and --host, or API_PORT and API_HOST.",
        ) from None
    return host, port


async def _require_session_settings(settings: ApplicationSettings) -> None:
    """Fail where requests would run without their limits."""
    database = Database(settings.database, application_name="app serve")
    try:
        await check_session_settings(database)
    finally:
        await database.close()


def _run_server(settings: ApplicationSettings, factory: str, **options: Any) -> None:  # noqa: ANN401 — uvicorn's own
    """Run uvicorn until it is told to stop; the factory makes the application, as "module:function"."""
    configure_logging(level=settings.logging.level, json_lines=settings.logging.format == "json")
    uvicorn.run(
        factory,
        factory=True,
        http=BoundedHttpProtocol,
        # Ours is set up already, and knows the request's id; uvicorn's would be a second line per request.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=with_mapped_forms(settings.api.trusted_proxies),
        timeout_keep_alive=settings.api.keep_alive_seconds,
        timeout_graceful_shutdown=settings.api.graceful_shutdown_seconds,
        **options,
    )
