"""Jobs of a test's own, and a queue that is committed to, on a database that vanishes with the test."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import ApplicationSettings, DatabaseSettings
from app.core.jobs import Jobs


@pytest.fixture
def jobs() -> Jobs:
    """Jobs that nothing is registered for yet."""
    return Jobs()


@pytest.fixture
def database(settings: ApplicationSettings, scratch_url: str, scratch: AsyncEngine) -> DatabaseSettings:
    """The database whose queue the application writes to."""
    return settings.with_database_url(scratch_url).database
