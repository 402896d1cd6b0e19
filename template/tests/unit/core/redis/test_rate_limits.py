"""Rate limits, in memory and in Redis: the same answers; and what Redis has to have beside them."""

import asyncio
import time

import pytest

from app.core.redis.rate_limits import RedisRateLimits
from app.core.security import Rate, RateLimits
from tests.servers.redis import RedisServer
from tests.unit.core.redis.conftest import Connect

pytestmark = pytest.mark.anyio

THREE_A_MINUTE = Rate(times=3, seconds=60)


@pytest.fixture(params=["memory", "redis"])
async def limits(request: pytest.FixtureRequest, redis_server: RedisServer, connect: Connect) -> RateLimits:
    if request.param == "memory":
        return RateLimits()
    return await in_redis(redis_server, connect)


async def in_redis(server: RedisServer, connect: Connect, **changes: object) -> RedisRateLimits:
    connection = await connect(server, **{"timeout_seconds": 5, **changes})
    return RedisRateLimits(connection, prefix="tests!limit:")


async def test_an_allowance_is_used_up_then_grows_back_evenly(limits: RateLimits) -> None:
    rate = Rate(times=3, seconds=1.5)  # by the server's clock, which cannot be moved

    assert [await limits.hit("a", rate) for _ in range(3)] == [0, 0, 0]
    wait = await limits.hit("a", rate)
    assert 0 < wait <= 0.5
    await asyncio.sleep(wait)
    assert await limits.hit("a", rate) == 0
    assert await limits.hit("a", rate) > 0
    await asyncio.sleep(1.6)
    assert [await limits.hit("a", rate) > 0 for _ in range(4)] == [False, False, False, True]


async def test_keys_do_not_share_an_allowance(limits: RateLimits) -> None:
    once = Rate(times=1, seconds=60)
    keys = ["a", "b", "a:b", "", "ключ\ud800", "x" * 10_000]

    assert [await limits.hit(key, once) for key in keys] == [0] * len(keys)
    assert all([await limits.hit(key, once) > 59 for key in keys])


async def test_what_is_refunded_can_be_used_again_and_no_more_than_that(limits: RateLimits) -> None:
    for _ in range(3):
        await limits.hit("a", THREE_A_MINUTE)
    await limits.refund("a", THREE_A_MINUTE)
    assert [await limits.hit("a", THREE_A_MINUTE) > 0 for _ in range(2)] == [False, True]

    for _ in range(10):
        await limits.refund("a", THREE_A_MINUTE)
    await limits.refund("never", THREE_A_MINUTE)
    for key in ("a", "never"):
        assert [await limits.hit(key, THREE_A_MINUTE) > 0 for _ in range(4)] == [False, False, False, True]


async def test_many_at_once_get_no_more_than_there_is(limits: RateLimits) -> None:
    waits = await asyncio.gather(*(limits.hit("a", Rate(times=7, seconds=60)) for _ in range(100)))

    assert waits.count(0) == 7


async def test_processes_share_an_allowance(redis_server: RedisServer, connect: Connect) -> None:
    first, second = await in_redis(redis_server, connect), await in_redis(redis_server, connect)

    assert [await each.hit("a", THREE_A_MINUTE) > 0 for each in (first, second, first, second)] == [
        False,
        False,
        False,
        True,
    ]


async def test_a_stored_limit_names_no_one_and_expires(redis_server: RedisServer, connect: Connect) -> None:
    limits = await in_redis(redis_server, connect)
    await limits.hit("guess:caller@example.com:10.0.0.1", THREE_A_MINUTE)

    answer = redis_server.ask("KEYS", "*")
    assert "caller" not in answer
    (key,) = [word for word in answer.split() if word.startswith("tests!limit:")]
    assert 19_000 < int(redis_server.ask("PTTL", key).lstrip(":")) <= 20_000, "when the allowance is full again"


async def test_hit_and_refund_are_one_round_trip_each(redis_server: RedisServer, connect: Connect) -> None:
    limits = await in_redis(redis_server, connect)
    await limits.hit("a", THREE_A_MINUTE)
    await limits.refund("a", THREE_A_MINUTE)
    before = commands(redis_server)
    for _ in range(5):
        await limits.hit("a", THREE_A_MINUTE)
        await limits.refund("a", THREE_A_MINUTE)
    assert commands(redis_server) - before == 10


def commands(server: RedisServer) -> int:
    """Return the number of scripts it was asked to run."""
    found = server.ask("INFO", "commandstats")
    calls = [line.partition("calls=")[2].partition(",")[0] for line in found.split() if "cmdstat_eval:" in line]
    return int(calls[0])


@pytest.mark.parametrize("fault", ["stop", "freeze"])
async def test_without_redis_this_process_counts(fault: str, own_redis: RedisServer, connect: Connect) -> None:
    limits = await in_redis(own_redis, connect, timeout_seconds=0.1)
    await limits.hit("a", THREE_A_MINUTE)
    getattr(own_redis, fault)()
    began = time.monotonic()

    waits = [await limits.hit("a", THREE_A_MINUTE) for _ in range(20)]
    await limits.refund("a", THREE_A_MINUTE)

    assert [wait > 0 for wait in waits] == [False] * 3 + [True] * 17, "neither all nor nothing"
    assert time.monotonic() - began < 1, "only the first waits"
