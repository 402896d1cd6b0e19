"""`app serve`: the server for production."""

import asyncio
import socket
from typing import Annotated

import typer
import uvicorn

from app.cli import migrations
from app.cli.settings import load_settings
from app.core.config import ApplicationSettings, DatabaseSettings
from app.core.config.logging import LogFormat
from app.core.database import Database, check_session_settings
from app.core.exceptions import ConfigurationError
from app.core.logging import configure_logging
from app.core.security import with_mapped_forms
from app.serving.protocol import BoundedHttpProtocol

Host = Annotated[str | None, typer.Option(help="Address to listen on; API_HOST unless given.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; API_PORT unless given.")]


def serve(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; API_WORKERS unless given.")] = None,
) -> None:
    """Serve requests with several processes; stops when those under way are answered."""
    settings = load_settings()
    if not settings.database.is_configured:
        raise ConfigurationError(
            "No database is configured.",
            next_step="Set DATABASE_URL or POSTGRES_HOST, or start with `app dev`, which brings its own.",
        )
    address = host or settings.api.host, port or settings.api.port
    require_free(*address)
    migrations.require_current(settings.database, or_newer=True)
    asyncio.run(_require_session_settings(settings.database))
    run_server(
        settings,
        factory="app.asgi:create_app",
        host=address[0],
        port=address[1],
        workers=workers or settings.api.workers,
    )


async def _require_session_settings(settings: DatabaseSettings) -> None:
    """Fail where requests would run without their limits."""
    database = Database(settings, application_name="app serve")
    try:
        await check_session_settings(database)
    finally:
        await database.close()


def run_server(
    settings: ApplicationSettings,
    *,
    factory: str,
    host: str,
    port: int,
    workers: int | None = None,
    reload_folder: str | None = None,
) -> None:
    """Run uvicorn until it is told to stop.

    Args:
        settings: How to log, what to believe of proxies, and how long to wait for what.
        factory: Makes the application, as "module:function".
        host: Address.
        port: Port.
        workers: Processes.
        reload_folder: Restart when something in here changes.
    """
    configure_logging(level=settings.logging.level, json_lines=settings.logging.format is LogFormat.JSON)
    uvicorn.run(
        factory,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        reload=reload_folder is not None,
        reload_dirs=reload_folder,
        http=BoundedHttpProtocol,
        # Ours is set up already, and knows the request's id; uvicorn's would be a second line per request.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=with_mapped_forms(settings.api.trusted_proxies),
        timeout_keep_alive=settings.api.keep_alive_seconds,
        timeout_graceful_shutdown=settings.api.graceful_shutdown_seconds,
    )


def require_free(host: str, port: int) -> None:
    """Fail before anything is started when the port is taken.

    Raises:
        ConfigurationError: It is, or the address is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As uvicorn does: connections that linger from the server before do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError:
        raise ConfigurationError(
            f"Port {port} is reserved for the system.", next_step="Choose one above 1023 with --port or API_PORT."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {host}:{port} ({error.strerror or 'unknown address'}).",
            next_step="Stop what listens there, or choose another with --port and --host, or API_PORT and API_HOST.",
        ) from None
