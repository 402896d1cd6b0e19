"""Jobs of a test's own with a queue that is committed to, on a database that vanishes with the test, and metrics."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import ApplicationSettings
from app.core.config.database import DatabaseSettings
from app.core.config.process import TelemetrySettings
from app.core.jobs import Jobs
from app.core.telemetry import serving_metrics
from tests.integration.core.listeners import closed_port

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@pytest.fixture
def jobs() -> Jobs:
    """Jobs that nothing is registered for yet."""
    return Jobs()


@pytest.fixture
def database(settings: ApplicationSettings, scratch_url: str, scratch: AsyncEngine) -> DatabaseSettings:
    """The database whose queue the application writes to."""
    return settings.with_database_url(scratch_url).database


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[int, str]]:
    """Served once: the library keeps its files for as long as the process lasts."""
    with closed_port() as port:
        pass
    with serving_metrics(TelemetrySettings(metrics_port=port), host="127.0.0.1"):
        yield port, os.environ.pop(_FOLDER)


@pytest.fixture
def metrics_port(_served: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of this process's metrics, for a test whose application counts."""
    port, folder = _served
    monkeypatch.setenv(_FOLDER, folder)
    return port
