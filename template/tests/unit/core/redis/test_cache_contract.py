"""The cache in Redis does what every backend does: the tests are those of the one in memory."""

from collections.abc import AsyncIterator

import pytest

from app.core.redis.cache_backend import RedisCache
from tests.servers.redis import RedisServer
from tests.unit.core.cache.test_backends import *  # noqa: F403 — all there are, and those that will be
from tests.unit.core.redis.conftest import Connect


@pytest.fixture  # type: ignore[no-redef]
async def backend(redis_server: RedisServer, connect: Connect) -> AsyncIterator[RedisCache]:
    backend = RedisCache(await connect(redis_server, timeout_seconds=5), prefix="tests:")
    yield backend
    await backend.close()
