"""The processes of the service: `app serve` and `app worker` in production, `app dev` for development."""

import asyncio
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.output import err
from app.cli.settings import command_settings, with_database
from app.core.config import ApplicationSettings
from app.core.config.section import Environment
from app.core.exceptions import ConfigurationError
from app.core.logging import configure_logging, get_logger
from app.core.security import with_mapped_forms
from app.core.telemetry import serving_metrics

logger = get_logger(__name__)

Host = Annotated[str | None, typer.Option(help="Address to listen on; API_HOST unless given.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; API_PORT unless given.")]


def serve(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; API_WORKERS unless given.")] = None,
) -> None:
    """Serve requests with several processes; stops when those under way are answered."""
    settings = _production_settings()
    host, port = _free_address(settings, host, port)
    asyncio.run(_require_session_settings(settings))
    _run_server(settings, "app.asgi:create_app", host=host, port=port, workers=workers or settings.api.workers)


def worker() -> None:
    """Run jobs, in production: until told to stop, when those under way are finished."""
    settings = _production_settings()
    with serving_metrics(settings.telemetry, host=settings.api.host):
        work(settings)


def dev(host: Host = None, port: Port = None) -> None:
    """Serve for development: brings PostgreSQL if none is configured, migrates it, reloads on changes."""
    settings = command_settings()
    if settings.environment is not Environment.DEVELOPMENT:
        raise ConfigurationError(
            f"`app dev` is for development, and ENVIRONMENT is {settings.environment}.",
            next_step="Use `app serve`, or unset ENVIRONMENT.",
        )
    host, port = _free_address(settings, host, port)
    # While PostgreSQL starts, which takes as long. The last is the server's own: it finds its modules compiled.
    modules = ("app.cli.migrations", "app.core.jobs.engine", "app.protocol", "app.main")
    ThreadPoolExecutor(1).map(import_module, modules)
    with with_database(settings) as ready:
        from app.cli import migrations  # noqa: PLC0415

        with err.status("Migrating …"):
            migrations.upgrade(ready)
        err.print(f"http://{host}:{port}/docs, reloads on changes; stop with Ctrl-C", style="bold")
        package = str(Path(__file__).parents[1])
        _run_server(ready, "devtools.server:create_app", host=host, port=port, reload=True, reload_dirs=package)


def work(settings: ApplicationSettings) -> None:
    """Run jobs until the process gets SIGTERM or SIGINT."""
    configure_logging(level=settings.logging.level, json_lines=settings.logging.format == "json")
    asyncio.run(_work(settings))


async def _work(settings: ApplicationSettings) -> None:
    # The parent of several web processes needs none of this.
    from app.core.jobs import get_jobs  # noqa: PLC0415
    from app.core.jobs.engine import run_jobs  # noqa: PLC0415
    from app.core.telemetry import counting, make_traces, tracing  # noqa: PLC0415
    from app.core.telemetry.samples import ProcessSample, sample_queue  # noqa: PLC0415
    from app.wiring import DISTRIBUTION, open_services  # noqa: PLC0415

    # A connection for each job at a time to change, one to read; the queue has two of its own.
    pool = {"pool_size": settings.jobs.concurrency, "max_overflow": 0}
    settings = settings.model_copy(update={"database": settings.database.model_copy(update=pool)})
    traces = make_traces(settings.telemetry, service=DISTRIBUTION)
    async with tracing(traces), open_services(settings), counting(ProcessSample(), sample_queue):
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        logger.info("worker started", concurrency=settings.jobs.concurrency)
        await run_jobs(get_jobs(), settings.database, settings.jobs, stop)
        logger.info("worker stopped")


def _production_settings() -> ApplicationSettings:
    """Return the settings; fails unless they name a database with every migration applied."""
    from app.cli import migrations  # noqa: PLC0415 — see `dev`

    settings = command_settings()
    migrations.require_current(settings.database, or_newer=True)
    return settings


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
    from app.core.database import Database, check_session_settings  # noqa: PLC0415 — see `dev`

    database = Database(settings.database, application_name="app serve")
    try:
        await check_session_settings(database)
    finally:
        await database.close()


def _run_server(settings: ApplicationSettings, factory: str, **options: Any) -> None:  # noqa: ANN401 — uvicorn's own
    """Run uvicorn until it is told to stop; the factory makes the application, as "module:function"."""
    # A worker has no server.
    import uvicorn  # noqa: PLC0415

    from app.protocol import BoundedHttpProtocol  # noqa: PLC0415

    configure_logging(level=settings.logging.level, json_lines=settings.logging.format == "json")
    with serving_metrics(settings.telemetry, host=settings.api.host):
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
