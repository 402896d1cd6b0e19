"""What was deleted while Redis was away does not come back with it."""

import asyncio

import pytest

from app.core.cache import CacheUnavailableError
from app.core.redis import cache_backend
from app.core.redis.cache_backend import RedisCache
from tests.logs import Log
from tests.servers.redis import RedisServer
from tests.unit.core.redis.conftest import Connect
from tests.unit.core.redis.test_faults import open_cache, until_back

pytestmark = pytest.mark.anyio


async def fill(backend: RedisCache, *keys: str) -> None:
    for key in keys:
        await backend.set(f"tests:{key}", b"old", ttl=60)


async def values(backend: RedisCache, keys: str) -> str:
    """What is there: the key itself, or a dot."""
    return "".join([key if await backend.get(f"tests:{key}") else "." for key in keys])


async def test_a_deletion_that_failed_is_made_up_for_before_anything_is_read(
    own_redis: RedisServer, connect: Connect
) -> None:
    connection, backend = await open_cache(own_redis, connect)
    await fill(backend, *"abcde")
    own_redis.freeze()
    for change in (backend.delete(["tests:a"]), backend.delete(["tests:b", "tests:c"])):
        with pytest.raises(CacheUnavailableError):
            await change
    with pytest.raises(CacheUnavailableError):
        await backend.set("tests:d", b"new", ttl=60)
    # Whatever was sent is in the server's buffers, and done as soon as it goes on; these were refused before.
    own_redis.thaw()
    with pytest.raises(CacheUnavailableError):
        await backend.get("tests:a")
    await until_back(connection)

    assert await values(backend, "abcde") == "....e"


async def test_one_lost_deletion_is_enough_to_believe_nothing(own_redis: RedisServer, connect: Connect) -> None:
    connection, backend = await open_cache(own_redis, connect, breaker_failures=1000)
    await fill(backend, "a", "b")
    own_redis.ask("ACL", "SETUSER", "default", "-unlink")
    with pytest.raises(CacheUnavailableError):
        await backend.delete(["tests:a"])
    for _ in range(3):
        with pytest.raises(CacheUnavailableError):
            await backend.get("tests:a")
        await asyncio.sleep(0.05)

    own_redis.ask("ACL", "SETUSER", "default", "+unlink")
    await until_back(connection)
    assert await values(backend, "ab") == ".b"


async def test_a_clear_that_failed_is_made_up_for(own_redis: RedisServer, connect: Connect) -> None:
    connection, backend = await open_cache(own_redis, connect)
    await fill(backend, "1:a", "1:b", "2:a")
    own_redis.freeze()
    with pytest.raises(CacheUnavailableError):
        await backend.clear("tests:1:")
    own_redis.thaw()
    await until_back(connection)

    assert [await backend.get(f"tests:{key}") for key in ("1:a", "1:b", "2:a")] == [None, None, b"old"]


async def test_more_deletions_than_are_remembered_clear_everything_of_the_application_alone(
    own_redis: RedisServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_backend, "_MAX_OVERDUE", 3)
    connection, backend = await open_cache(own_redis, connect)
    await fill(backend, *"abc")
    own_redis.ask("SET", "others:a", "theirs")
    own_redis.freeze()
    for number in range(5):
        with pytest.raises(CacheUnavailableError):
            await backend.delete([f"tests:{number}"])
    own_redis.thaw()
    await until_back(connection)

    assert await values(backend, "abc") == "..."
    assert "theirs" in own_redis.ask("GET", "others:a")


async def test_many_outstanding_deletions_are_made_up_for_in_portions(own_redis: RedisServer, connect: Connect) -> None:
    connection, backend = await open_cache(own_redis, connect, timeout_seconds=1)
    keys = [f"tests:{number}" for number in range(600)]
    await asyncio.gather(*(backend.set(key, b"old", ttl=60) for key in keys))
    own_redis.freeze()
    with pytest.raises(CacheUnavailableError):
        await backend.delete(keys)
    own_redis.thaw()
    await until_back(connection)

    assert own_redis.ask("DBSIZE") == ":0\r\n"


async def test_an_end_in_the_middle_of_an_outage_deletes_what_it_can_and_says_what_it_cannot(
    own_redis: RedisServer, connect: Connect, log: Log
) -> None:
    _, backend = await open_cache(own_redis, connect, retry_seconds=60)
    await fill(backend, "a")
    own_redis.freeze()
    with pytest.raises(CacheUnavailableError):
        await backend.delete(["tests:a"])
    await backend.close()
    (line,) = [line for line in log.lines if "to the end" in line["event"]]
    assert line["keys"] == 1

    own_redis.thaw()
    own_redis.ask("SET", "tests:a", "old")
    await backend.close()
    assert own_redis.ask("EXISTS", "tests:a") == ":0\r\n"
