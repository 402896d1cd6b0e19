"""A value that was deleted or replaced while Redis was away does not come back with it."""

import asyncio

import pytest

from app.core.cache import CacheUnavailableError
from tests.servers.redis import RedisServer
from tests.unit.core.redis.conftest import Connect
from tests.unit.core.redis.test_faults import open_cache, until_back

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("change", ["delete", "set", "clear"])
@pytest.mark.parametrize("fault", ["freeze", "refuse"])
async def test_a_change_that_was_missed_empties_the_cache_before_anything_is_read(
    change: str, fault: str, own_redis: RedisServer, connect: Connect
) -> None:
    connection, backend = await open_cache(own_redis, connect)
    own_redis.ask("EVAL", "for number = 1, 3000 do redis.call('SET', 'tests:' .. number, 'old') end", "0")
    own_redis.ask("SET", "others:1", "theirs")
    if fault == "freeze":
        own_redis.freeze()
    else:
        own_redis.ask("ACL", "SETUSER", "default", "-unlink", "-set", "-scan")
    for _ in range(2):  # the first may be in the server's buffers and done later; the second was never sent
        with pytest.raises(CacheUnavailableError):
            await {
                "delete": lambda: backend.delete(["tests:1"]),
                "set": lambda: backend.set("tests:1", b"new", ttl=60),
                "clear": lambda: backend.clear("tests:"),
            }[change]()
    own_redis.thaw()
    with pytest.raises(CacheUnavailableError):
        await backend.get("tests:1")
    own_redis.ask("ACL", "SETUSER", "default", "+unlink", "+set", "+scan")

    for _ in range(10):  # on a busy machine, an answer may be late while it is emptied, which begins anew then
        await until_back(connection)
        first, second = await asyncio.gather(*(backend.get("tests:2") for _ in range(2)), return_exceptions=True)
        assert isinstance(second, CacheUnavailableError), "what is being emptied is not read"
        if first is None:
            break
    assert first is None
    assert await backend.get("tests:1") is None
    await backend.set("tests:1", b"new", ttl=60)
    assert await backend.get("tests:1") == b"new", "it is emptied once"
    assert "theirs" in own_redis.ask("GET", "others:1")
