"""`app worker`: runs jobs."""

import asyncio
import signal

from app.asgi import stop_with_supervisor
from app.cli import migrations
from app.cli.settings import command_settings
from app.core.config import ApplicationSettings, get_settings
from app.core.exceptions import ConfigurationError
from app.core.jobs import get_jobs
from app.core.jobs.engine import run_jobs
from app.core.logging import configure_logging, get_logger
from app.wiring import open_services

logger = get_logger(__name__)


def worker() -> None:
    """Run jobs, in production: until told to stop, when those under way are finished."""
    settings = command_settings()
    if not settings.database.is_configured:
        raise ConfigurationError(
            "No database is configured.",
            next_step="Set DATABASE_URL or POSTGRES_HOST, or start with `app dev`, which brings its own and a worker.",
        )
    migrations.require_current(settings.database, or_newer=True)
    work(settings)


def dev_worker() -> None:
    """Run jobs beside the server of `app dev`, as a process that ends with it."""
    stop_with_supervisor()
    work(get_settings())


def work(settings: ApplicationSettings) -> None:
    """Run jobs until the process gets SIGTERM or SIGINT."""
    configure_logging(level=settings.logging.level, json_lines=settings.logging.format == "json")
    asyncio.run(_work(settings))


async def _work(settings: ApplicationSettings) -> None:
    # A connection for each job at a time to change, one to read; the queue has two of its own.
    pool = {"pool_size": settings.jobs.concurrency, "max_overflow": 0}
    settings = settings.model_copy(update={"database": settings.database.model_copy(update=pool)})
    async with open_services(settings):
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        logger.info("worker started", concurrency=settings.jobs.concurrency)
        await run_jobs(get_jobs(), settings.database, settings.jobs, stop)
        logger.info("worker stopped")
