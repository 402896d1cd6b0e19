"""Monitors that report to Sentry and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from app.core.monitoring import Monitor
from app.core.monitoring.sentry.backend import SentryBackend
from app.core.monitoring.sentry.client import SentryClient
from tests.servers.sentry import dsn_of


@asynccontextmanager
async def monitoring(
    url: str,
    *,
    sample_rate: float = 1,
    ca_file: Path | None = None,
    proxy_url: SecretStr | None = None,
    flush_seconds: float = 5,
) -> AsyncIterator[Monitor]:
    """A monitor; when the context ends, its reports have been sent."""
    client = SentryClient(
        dsn=dsn_of(url),
        environment="tests",
        release="tests@1",
        queue_size=100,
        ca_file=ca_file,
        proxy_url=proxy_url,
    )
    monitor = Monitor()
    backend = SentryBackend(client, describe=monitor.describe, traces_sample_rate=sample_rate, personal_data=False)
    monitor.attach(backend)
    try:
        yield monitor
    finally:
        await backend.close(flush_seconds)
