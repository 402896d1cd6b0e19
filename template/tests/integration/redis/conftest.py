"""Applications that share a server of Redis's protocol."""

from collections.abc import Iterator

import pytest

from app.core.config import ApplicationSettings
from app.core.config.process import CacheSettings
from tests.servers.redis import RedisServer, running_redis


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A server of this test's own."""
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_settings(settings: ApplicationSettings, redis_server: RedisServer, scratch_url: str) -> ApplicationSettings:
    """Settings with that server, and with a database where everything is really committed."""
    sections = {"redis": redis_server.settings(), "cache": CacheSettings(key_prefix="tests")}
    return settings.with_database_url(scratch_url).model_copy(update=sections)
