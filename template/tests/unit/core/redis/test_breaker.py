"""The circuit breaker: who is left alone, who asks, and what is said about it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from app.core.logging import bind_log_context, log_context
from app.core.redis.breaker import Breaker, BreakerState
from app.core.redis.errors import RedisUnavailableError
from tests.logs import Log

pytestmark = pytest.mark.anyio


class OtherSide:
    """What the breaker asks."""

    def __init__(self) -> None:
        self.away = True
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.error: Exception = RedisUnavailableError("still away")

    async def probe(self) -> None:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.005)
        self.at_once -= 1
        if self.away:
            raise self.error


@pytest.fixture
def other_side() -> OtherSide:
    return OtherSide()


@pytest.fixture
async def make(other_side: OtherSide) -> AsyncIterator[Callable[..., Breaker]]:
    made: list[Breaker] = []

    def make(failures: int = 3) -> Breaker:
        made.append(Breaker(failures=failures, retry_seconds=0.05, probe=other_side.probe))
        return made[-1]

    yield make
    for breaker in made:
        await breaker.close()


async def until_closed(breaker: Breaker) -> None:
    async with asyncio.timeout(5):
        while breaker.state is not BreakerState.CLOSED:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_it_opens_after_so_many_failures_in_a_row(make: Callable[..., Breaker]) -> None:
    breaker = make()
    for works in (False, False, True, False, False):
        breaker.check()
        if works:
            breaker.succeeded()
        else:
            breaker.failed("refused")
    breaker.check()

    breaker.failed("refused")

    with pytest.raises(RedisUnavailableError, match="refused"):
        breaker.check()
    assert breaker.state is BreakerState.OPEN
    assert breaker.stats == (5, 1, 1)


async def test_a_failure_that_took_its_time_is_enough(make: Callable[..., Breaker]) -> None:
    breaker = make()
    breaker.failed("late", at_once=True)

    with pytest.raises(RedisUnavailableError):
        breaker.check()


async def test_one_at_a_time_asks_and_nobody_gets_through_meanwhile(
    make: Callable[..., Breaker], other_side: OtherSide
) -> None:
    breaker = make(1)
    seen = set()
    for _ in range(20):
        breaker.failed("away")
    async with asyncio.timeout(5):
        while other_side.asked < 3:
            seen.add(breaker.state)
            with pytest.raises(RedisUnavailableError):
                breaker.check()
            breaker.failed("away")
            breaker.succeeded()  # an answer to what was asked before
            await asyncio.sleep(0.001)
    other_side.away = False
    await until_closed(breaker)

    assert seen == {BreakerState.OPEN, BreakerState.HALF_OPEN}
    assert other_side.most_at_once == 1
    breaker.check()
    assert breaker.stats.outages == 1
    asked = other_side.asked
    await asyncio.sleep(0.12)
    assert other_side.asked == asked, "whoever is back is not asked any more"


async def test_it_opens_again_for_the_next_outage(make: Callable[..., Breaker], other_side: OtherSide) -> None:
    breaker = make(2)
    for outages in (1, 2, 3):
        breaker.failed("away")
        breaker.check()
        breaker.failed("away")
        other_side.away = False
        await until_closed(breaker)
        assert breaker.stats.outages == outages


async def test_an_outage_is_two_lines_of_the_log_and_none_of_a_request(
    make: Callable[..., Breaker], other_side: OtherSide, log: Log
) -> None:
    breaker = make(1)
    with log_context(request_id="r1"):
        bind_log_context(user_id="u1")
        for _ in range(50):
            breaker.failed("refused")
    await asyncio.sleep(0.05)
    other_side.away = False
    await until_closed(breaker)

    away, back = log.lines
    assert (away["event"], away["reason"]) == ("redis is away; going on without it", "refused")
    assert back["event"] == "redis is back"
    assert back["seconds"] > 0
    assert back["refused"] == 0
    assert "request_id" not in back


async def test_a_bug_in_the_probe_is_reported_and_ends_nothing(
    make: Callable[..., Breaker], other_side: OtherSide, log: Log
) -> None:
    breaker = make(1)
    other_side.error = KeyError("bug")
    breaker.failed("away")
    async with asyncio.timeout(5):
        while other_side.asked < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    other_side.away = False
    await until_closed(breaker)

    assert "KeyError" in log.text


async def test_closed_for_good_it_asks_nobody(make: Callable[..., Breaker], other_side: OtherSide) -> None:
    breaker = make(1)
    breaker.failed("away")
    before = asyncio.all_tasks()
    await breaker.close()

    assert len(asyncio.all_tasks()) < len(before)
    breaker.failed("away")
    with pytest.raises(RedisUnavailableError, match="closed"):
        breaker.check()
    await asyncio.sleep(0.06)
    assert other_side.asked == 0
