"""Addresses and credentials that are wrong: said to be so, and never shown."""

import asyncio
from pathlib import Path

import pytest

from app.core.cache import CacheUnavailableError
from app.core.redis.connection import RedisUnavailableError
from app.core.redis.rate_limits import RedisRateLimits
from app.core.security import Rate
from tests.logs import Log
from tests.servers.redis import RedisServer, running_redis
from tests.unit.core.redis.conftest import Connect
from tests.unit.core.redis.test_faults import open_cache

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://:Xq7planted@127.0.0.1:1/0", "Redis cannot be reached: Connection refused."),
        ("redis://:Xq7planted@no-such-host.invalid", "Redis cannot be reached: the host in REDIS_URL is not known."),
    ],
)
async def test_an_address_that_leads_nowhere_is_said_to(
    url: str, reason: str, redis_server: RedisServer, connect: Connect
) -> None:
    connection = await connect(redis_server, url=url, timeout_seconds=5)
    with pytest.raises(RedisUnavailableError) as caught:
        await connection.ping()
    assert caught.value.message == reason


@pytest.mark.parametrize("right", [False, True])
async def test_a_wrong_password_is_said_to_be_so_and_never_shown(*, right: bool, connect: Connect, log: Log) -> None:
    with running_redis(requirepass="Xq7right") as server:
        password = "Xq7right" if right else "Xq7planted"
        connection, backend = await open_cache(server, connect, url=f"unix://:{password}@{server.socket}")
        if right:
            await connection.ping()
            return
        for attempt in (connection.ping(), connection.ping(), backend.get("tests:a"), backend.delete(["tests:a"])):
            with pytest.raises((RedisUnavailableError, CacheUnavailableError)) as caught:
                await attempt
            shown = f"{caught.value!r} {caught.value.__cause__!r} {connection!r}"
            assert "Xq7" not in shown
        assert "Redis refuses the user name or the password in REDIS_URL." in shown
        assert log.line["reason"] == "Redis refuses the user name or the password in REDIS_URL."
        assert "Xq7" not in log.text


async def test_a_user_with_what_the_readme_lists_can_do_everything(own_redis: RedisServer, connect: Connect) -> None:
    readme = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    rules = readme.partition("ACL SETUSER app on ")[2].partition("`")[0].replace("PASSWORD", "pw").split()
    assert own_redis.ask("ACL", "SETUSER", "app", "on", *rules) == "+OK\r\n"
    (name,) = [rule.strip("~*") for rule in rules if rule.startswith("~")]
    connection, backend = await open_cache(own_redis, connect, url=f"unix://app:pw@{own_redis.socket}")

    await connection.ping()
    await backend.set(f"{name}:a", b"1", ttl=60)
    await backend.clear(f"{name}:")
    limits = RedisRateLimits(connection, prefix=f"{name}!limit:")
    assert await limits.hit("a", Rate(times=1, seconds=60)) == 0
    assert await limits.hit("a", Rate(times=1, seconds=60)) > 0
    await limits.refund("a", Rate(times=1, seconds=60))
    assert not connection.is_away


async def test_what_is_no_server_of_this_kind_is_said_to_be_none(tmp_path: Path, connect: Connect) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    with running_redis() as server:
        server.stop()
        async with await asyncio.start_unix_server(answer, server.socket):
            connection = await connect(server, timeout_seconds=5)
            with pytest.raises(RedisUnavailableError, match="InvalidResponse"):
                await connection.ping()
