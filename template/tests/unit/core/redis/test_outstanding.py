"""A value that was deleted or replaced while Redis was away does not come back with it."""

import asyncio

import pytest

from app.core.cache import CacheUnavailableError
from app.core.redis import cache_backend
from tests.logs import Log
from tests.servers.redis import RedisServer
from tests.unit.core.redis.conftest import Connect
from tests.unit.core.redis.test_faults import open_cache, until_back

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("change", ["delete", "delete too many", "set", "clear"])
@pytest.mark.parametrize("fault", ["freeze", "refuse"])
async def test_a_change_that_was_missed_is_made_up_for_before_anything_is_read(
    change: str, fault: str, own_redis: RedisServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_backend, "_MAX_MISSED", 2000)
    connection, backend = await open_cache(own_redis, connect, breaker_failures=1000)
    own_redis.ask("EVAL", "for number = 1, 3000 do redis.call('SET', 'tests:' .. number, 'old') end", "0")
    own_redis.ask("SET", "others:1", "theirs")
    if fault == "freeze":
        own_redis.freeze()
    else:
        own_redis.ask("ACL", "SETUSER", "default", "-unlink", "-set", "-scan")
    for _ in range(2):  # the first may be in the server's buffers and done later; the second was never sent
        with pytest.raises(CacheUnavailableError):
            await {
                "delete": lambda: backend.delete([f"tests:{number}" for number in range(1, 1200)]),
                "delete too many": lambda: backend.delete([f"tests:{number}" for number in range(1, 2200)]),
                "set": lambda: backend.set("tests:1", b"new", ttl=60),
                "clear": lambda: backend.clear("tests:"),
            }[change]()
    own_redis.thaw()
    with pytest.raises(CacheUnavailableError):
        await backend.get("tests:1")
    own_redis.ask("ACL", "SETUSER", "default", "+unlink", "+set", "+scan")
    await until_back(connection)

    assert await backend.get("tests:1") is None
    assert (await backend.get("tests:3000") is None) == (change in {"delete too many", "clear"})
    assert "theirs" in own_redis.ask("GET", "others:1")


async def test_close_in_the_middle_of_an_outage_makes_up_for_what_it_can_and_says_what_it_cannot(
    own_redis: RedisServer, connect: Connect, log: Log
) -> None:
    _, backend = await open_cache(own_redis, connect, retry_seconds=60)
    await backend.set("tests:a", b"old", ttl=60)
    own_redis.freeze()
    with pytest.raises(CacheUnavailableError):
        await backend.delete(["tests:a"])
    await backend.close()
    assert len([line for line in log.lines if "to the end" in line["event"]]) == 1

    own_redis.thaw()
    await asyncio.sleep(0.1)
    own_redis.ask("SET", "tests:a", "old")
    await backend.close()
    assert own_redis.ask("EXISTS", "tests:a") == ":0\r\n"
