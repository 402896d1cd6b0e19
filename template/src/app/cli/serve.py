"""The processes of the service, in production: `app serve` and `app worker`."""

import asyncio
import signal
import socket
from typing import Annotated, Any

import typer

from app.cli.settings import command_settings, require_session_settings
from app.core.config import ApplicationSettings
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
    host, port = free_address(settings, host, port)
    asyncio.run(require_session_settings(settings))
    run_server(settings, "app.asgi:create_app", host=host, port=port, workers=workers or settings.api.workers)


def worker() -> None:
    """Run jobs, in production: until told to stop, when those under way are finished."""
    settings = _production_settings()
    with serving_metrics(settings.telemetry, host=settings.api.host):
        work(settings)


def _production_settings() -> ApplicationSettings:
    """Return the settings; fails unless they name a database with every migration applied."""
    # While `app dev` starts, another thread imports it.
    from app.cli import migrations  # noqa: PLC0415

    settings = command_settings()
    migrations.require_current(settings.database, or_newer=True)
    return settings


def free_address(settings: ApplicationSettings, host: str | None, port: int | None) -> tuple[str, int]:
    """Return the address to listen on, those of the settings unless given; ConfigurationError where it is taken."""
    host, port = host or settings.api.host, port or settings.api.port
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {host}:{port} ({error.strerror}).",
            next_step="Stop what listens there, or choose another with --port and --host, or API_PORT and API_HOST.",
        ) from None
    return host, port


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


def run_server(settings: ApplicationSettings, factory: str, **options: Any) -> None:  # noqa: ANN401 — uvicorn's own
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
