"""Reports go to Sentry, too, when it is switched on."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version

from app.core.config import Environment
from app.core.config.sentry import SentrySettings
from app.core.monitoring import monitor
from app.core.threads import run_in_thread


@asynccontextmanager
async def reporting_to_sentry(
    settings: SentrySettings, *, stage: Environment, distribution: str
) -> AsyncIterator[None]:
    """Send what the monitor reports to Sentry; do nothing unless it is enabled.

    An error that comes out of the block, which is what a start or a stop fails with, is reported before it goes on.
    At the end what waits is sent, for SENTRY_FLUSH_SECONDS at most, and nothing from then on.
    """
    if not settings.enabled or settings.dsn is None:
        yield
        return
    # Loading the SDK takes a while that a process without Sentry need not spend.
    from app.core.monitoring.sentry.reporter import SentryReporter  # noqa: PLC0415

    reporter = SentryReporter(settings, stage=stage, release=f"{distribution}@{version(distribution)}")
    try:
        with monitor.reporting_to(reporter):
            yield
    except Exception as err:
        # Not by `monitor.capture_exception`: the server logs this one by itself.
        reporter.capture_exception(err, {"operation": "process.lifespan"})
        raise
    finally:
        # A thread of its own: the common ones may all be taken by what the process is stopped for.
        threads = ThreadPoolExecutor(1, thread_name_prefix="sentry-flush")
        await run_in_thread(reporter.close, settings.flush_seconds, threads=threads)
