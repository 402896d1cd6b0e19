"""The faults of a server, done to a real one: how long a call takes, and what is said."""

import asyncio
import time
from contextlib import suppress

import pytest

from app.core import cache
from app.core.cache import CacheUnavailableError
from app.core.redis.cache_backend import RedisCache
from app.core.redis.connection import RedisConnection, RedisUnavailableError
from tests.caches import caching
from tests.logs import Log
from tests.servers.redis import RedisServer
from tests.unit.core.redis.conftest import Connect

pytestmark = pytest.mark.anyio


async def open_cache(server: RedisServer, connect: Connect, **changes: object) -> tuple[RedisConnection, RedisCache]:
    connection = await connect(server, **{"timeout_seconds": 0.1, **changes})
    return connection, RedisCache(connection, prefix="tests:")


async def until_back(connection: RedisConnection) -> None:
    async with asyncio.timeout(5):
        while True:
            with suppress(RedisUnavailableError):
                await connection.call("PING")
                return
            await asyncio.sleep(0.005)


async def test_refused_it_fails_at_once_and_is_back_by_itself(
    own_redis: RedisServer, connect: Connect, log: Log
) -> None:
    own_redis.stop()
    connection, backend = await open_cache(own_redis, connect)
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(CacheUnavailableError):
            await backend.get("tests:a")
    assert time.monotonic() - began < 1, "no call waits for a server that is not there"
    own_redis.start()
    await until_back(connection)
    await backend.set("tests:a", b"1", ttl=60)
    assert await backend.get("tests:a") == b"1"

    away, back = log.lines
    assert (away["event"], away["level"]) == ("redis is away; going on without it", "warning")
    assert away["reason"] == "Redis cannot be reached: No such file or directory."
    assert back["event"] == "redis is back"


async def test_hung_it_costs_one_timeout_and_then_nothing(own_redis: RedisServer, connect: Connect) -> None:
    connection, backend = await open_cache(own_redis, connect, timeout_seconds=0.4)
    await backend.set("tests:a", b"1", ttl=60)
    own_redis.freeze()
    took = []
    for _ in range(50):
        began = time.monotonic()
        with pytest.raises(CacheUnavailableError):
            await backend.get("tests:a")
        took.append(time.monotonic() - began)
    assert 0.39 < took[0] < 0.75
    assert max(took[1:]) < 0.2

    await asyncio.sleep(0.15)
    began = time.monotonic()
    one, *others = [asyncio.create_task(backend.get("tests:a")) for _ in range(50)]
    await asyncio.gather(*others, return_exceptions=True)
    assert time.monotonic() - began < 0.2, "after the pause, one call asks for all"
    with pytest.raises(CacheUnavailableError):
        await one
    assert 0.39 < time.monotonic() - began < 0.75

    own_redis.thaw()
    await until_back(connection)
    assert await backend.get("tests:a") == b"1"


async def test_a_restart_between_two_calls_is_not_noticed(own_redis: RedisServer, connect: Connect, log: Log) -> None:
    connection, backend = await open_cache(own_redis, connect, timeout_seconds=5)
    await asyncio.gather(*(backend.set(f"tests:{number}", b"1", ttl=60) for number in range(10)))
    own_redis.stop()
    own_redis.start()

    assert set(await asyncio.gather(*(backend.get(f"tests:{number}") for number in range(10)))) == {None}
    assert not connection.is_away
    assert log.lines == []


async def test_a_restart_in_the_middle_of_many_calls_costs_values_and_no_errors(
    own_redis: RedisServer, connect: Connect
) -> None:
    connection, backend = await open_cache(own_redis, connect, timeout_seconds=0.5)
    async with caching(backend):
        calls = [0] * 8

        async def load() -> int:
            return 7

        async def caller(number: int) -> None:
            while True:
                assert await cache.get_or_set(f"{number}-{calls[number] % 5}", load) == 7
                calls[number] += 1
                await asyncio.sleep(0)

        async def ten_more_calls() -> None:
            async with asyncio.timeout(10):
                enough = [number + 10 for number in calls]
                while any(made < limit for made, limit in zip(calls, enough, strict=True)):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(caller(number)) for number in range(8)]
            await ten_more_calls()
            own_redis.stop()
            await ten_more_calls()
            own_redis.start()
            await until_back(connection)
            await ten_more_calls()
            for each in callers:
                each.cancel()

        await cache.set("a", 1)
        assert await cache.get("a") == 1


async def test_out_of_memory_it_counts_as_away_until_there_is_room(
    own_redis: RedisServer, connect: Connect, log: Log
) -> None:
    connection, backend = await open_cache(own_redis, connect)
    await backend.set("tests:a", b"old", ttl=60)
    own_redis.ask("CONFIG", "SET", "maxmemory", "1")
    for _ in range(5):
        with pytest.raises(CacheUnavailableError):
            await backend.set("tests:a", b"new", ttl=60)
        await asyncio.sleep(0.05)
    with pytest.raises(CacheUnavailableError):
        await backend.get("tests:a")
    assert "OutOfMemoryError" in log.line["reason"]

    own_redis.ask("CONFIG", "SET", "maxmemory", "0")
    await until_back(connection)
    assert await backend.get("tests:a") is None, "the old value is not shown"
    await backend.set("tests:a", b"new", ttl=60)
    assert await backend.get("tests:a") == b"new"


async def test_a_replica_that_only_reads_counts_as_away_until_it_is_promoted(
    own_redis: RedisServer, connect: Connect, log: Log
) -> None:
    connection, backend = await open_cache(own_redis, connect)
    await backend.set("tests:a", b"old", ttl=60)
    own_redis.ask("REPLICAOF", "127.0.0.1", "1")

    with pytest.raises(CacheUnavailableError):
        await backend.delete(["tests:a"])
    await asyncio.sleep(0.25)
    with pytest.raises(CacheUnavailableError):
        await backend.get("tests:a")
    assert log.line["reason"] == (
        "Redis fails with ReadOnlyError: see its log; REDIS_URL must name a primary of version 6.2 or later."
    )

    own_redis.ask("REPLICAOF", "NO", "ONE")
    await until_back(connection)
    assert await backend.get("tests:a") is None, "its deletion was made up for"


async def test_a_call_that_is_cancelled_leaves_its_answer_to_no_other(own_redis: RedisServer, connect: Connect) -> None:
    connection, backend = await open_cache(own_redis, connect, pool_size=1, timeout_seconds=5)
    await backend.set("tests:mine", b"mine", ttl=60)
    await backend.set("tests:yours", b"yours", ttl=60)
    for moment in range(30):
        mine = asyncio.create_task(backend.get("tests:mine"))
        for _ in range(moment):
            await asyncio.sleep(0)
        mine.cancel()
        assert await backend.get("tests:yours") == b"yours"
    assert not connection.is_away


async def test_the_cache_above_it_shows_no_caller_an_error(own_redis: RedisServer, connect: Connect) -> None:
    connection, backend = await open_cache(own_redis, connect)
    async with caching(backend):
        await cache.set("a", 1)
        loads = 0

        async def load() -> str:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.01)
            return "loaded"

        own_redis.freeze()
        assert await cache.get("a") is None
        assert await asyncio.gather(*(cache.get_or_set("b", load) for _ in range(100))) == ["loaded"] * 100
        assert loads == 1, "of many misses in a process one loads, with Redis or without"
        await cache.set("a", 2)
        await cache.delete("a")
        await cache.clear()

        own_redis.thaw()
        await until_back(connection)
        assert await cache.get("a") is None
        assert await cache.get_or_set("b", load) == "loaded"
        assert await cache.get("b") == "loaded"
