"""The cache in Redis does what every backend does: the tests are those of the one in memory."""

import pytest

from app.core.cache import CacheBackend
from app.core.redis.cache_backend import RedisCache
from tests.servers.redis import RedisServer
from tests.unit.core.cache.test_backends import *  # noqa: F403 — all there are, and those that will be
from tests.unit.core.redis.conftest import Connect


@pytest.fixture  # type: ignore[no-redef]
async def backend(redis_server: RedisServer, connect: Connect) -> RedisCache:
    return RedisCache(await connect(redis_server, timeout_seconds=5), prefix="tests:")


@pytest.mark.anyio
async def test_clearing_stays_inside_its_prefix(backend: CacheBackend) -> None:
    names = ["tests:1:a", "tests:1:b", "tests:10:a", "tests:[1]:a", "tests:*:a"]
    for name in names:
        await backend.set(name, b"1", ttl=60)
    await backend.clear("tests:1:")
    assert [name for name in names if await backend.get(name)] == names[2:]

    await backend.clear("tests:*:")
    assert [name for name in names if await backend.get(name)] == names[2:4], "a prefix is no pattern"
