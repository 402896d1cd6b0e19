"""A server for all tests of this folder that do it no harm, and one of its own for each that does."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from app.core.redis.connection import RedisConnection
from tests.servers.redis import RedisServer, running_redis

Connect = Callable[..., Awaitable[RedisConnection]]


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """A server that is empty and healthy, and has to stay healthy."""
    shared_redis.ask("FLUSHALL")
    return shared_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server to maltreat."""
    with running_redis() as server:
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connections like those of a process, which are closed after the test."""
    async with AsyncExitStack() as stack:

        async def make(server: RedisServer, **changes: object) -> RedisConnection:
            settings = server.settings(**changes)
            assert settings.url is not None
            connection = RedisConnection(
                settings.url,
                name="tests",
                timeout_seconds=settings.timeout_seconds,
                pool_size=settings.pool_size,
                retry_seconds=settings.retry_seconds,
                ca_file=str(settings.ca_file) if settings.ca_file else None,
            )
            stack.push_async_callback(connection.close)
            return connection

        yield make
