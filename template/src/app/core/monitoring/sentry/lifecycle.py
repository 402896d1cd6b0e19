"""Reporting to Sentry for as long as the process runs: opened and closed by the lifespan."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.core.config.http_client import HttpClientSettings
from app.core.config.sentry import SentrySettings
from app.core.monitoring import monitor
from app.core.stage import Environment

if TYPE_CHECKING:
    from app.core.monitoring.sentry.backend import SentryBackend


@asynccontextmanager
async def reporting_to_sentry(
    settings: SentrySettings, network: HttpClientSettings, *, stage: Environment, release: str
) -> AsyncIterator[None]:
    """Send what the monitor reports to Sentry; do nothing unless it is enabled.

    An error that comes out of the block, which is what a start or a stop fails with, is reported before it goes on.
    At the end what waits is sent, which takes SENTRY_FLUSH_SECONDS at most, and nothing is sent from then on.

    Args:
        settings: Where to, and how much.
        network: The way out of this network.
        stage: The environment's name unless the settings have one.
        release: The release's name unless the settings have one.

    Raises:
        ConfigurationError: The file of certificate authorities cannot be used.
    """
    if not settings.enabled or settings.dsn is None:
        yield
        return
    backend = _make_backend(settings, network, stage=stage, release=release)
    detach = monitor.attach(backend)
    try:
        yield
    except Exception as err:
        # Not by `monitor.capture_exception`: the server logs this one by itself.
        backend.capture_exception(err, monitor.describe({"operation": "process.lifespan"}))
        raise
    finally:
        detach()
        await backend.close(settings.flush_seconds)


def _make_backend(
    settings: SentrySettings, network: HttpClientSettings, *, stage: Environment, release: str
) -> "SentryBackend":
    # Imported here, since loading the SDK takes a while that a process without Sentry need not spend.
    from app.core.monitoring.sentry.backend import SentryBackend  # noqa: PLC0415
    from app.core.monitoring.sentry.client import SentryClient  # noqa: PLC0415

    client = SentryClient(
        dsn=settings.dsn,
        environment=settings.environment or stage,
        release=settings.release or release,
        queue_size=settings.queue_size,
        ca_file=network.ca_file,
        proxy_url=network.proxy_url,
    )
    return SentryBackend(
        client,
        describe=monitor.describe,
        traces_sample_rate=settings.traces_sample_rate,
        personal_data=settings.send_personal_data,
    )
