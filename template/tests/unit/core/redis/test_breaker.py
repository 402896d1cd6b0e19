"""The circuit breaker: when calls are refused, who asks the server, and what is logged."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.logging import log_context
from app.core.redis.breaker import Breaker, RedisUnavailableError
from tests.logs import Log

pytestmark = pytest.mark.anyio


class OtherSide:
    """The server that the breaker asks."""

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

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while self.asked < times:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@pytest.fixture
def other_side() -> OtherSide:
    return OtherSide()


@pytest.fixture
async def breaker(other_side: OtherSide) -> AsyncIterator[Breaker]:
    breaker = Breaker(retry_seconds=0.05, probe=other_side.probe)
    yield breaker
    await breaker.close()


async def until_closed(breaker: Breaker) -> None:
    async with asyncio.timeout(5):
        while breaker.is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_one_task_asks_and_no_call_goes_through_meanwhile(breaker: Breaker, other_side: OtherSide) -> None:
    for _ in range(20):
        breaker.open("away")
    for asked in range(3):
        with pytest.raises(RedisUnavailableError):
            breaker.check()
        await other_side.until_asked(asked)
    other_side.away = False
    await until_closed(breaker)

    breaker.check()
    assert other_side.most_at_once == 1
    asked = other_side.asked
    await asyncio.sleep(0.12)
    assert other_side.asked == asked, "a server that is back is not asked any more"


async def test_an_outage_is_two_lines_of_the_log_and_none_of_a_request(
    breaker: Breaker, other_side: OtherSide, log: Log
) -> None:
    with log_context(request_id="r1"):
        for _ in range(50):
            breaker.open("refused")
    other_side.away = False
    await until_closed(breaker)

    away, back = log.lines
    assert (away["event"], away["reason"]) == ("redis is away; going on without it", "refused")
    assert (back["event"], back["seconds"] > 0) == ("redis is back", True)
    assert "request_id" not in back


async def test_a_bug_in_the_probe_is_reported_and_ends_nothing(
    breaker: Breaker, other_side: OtherSide, log: Log
) -> None:
    other_side.error = KeyError("bug")
    breaker.open("away")
    await other_side.until_asked(2)
    other_side.away = False
    await until_closed(breaker)

    assert "KeyError" in log.text


async def test_close_ends_the_asking(breaker: Breaker, other_side: OtherSide) -> None:
    breaker.open("away")
    before = asyncio.all_tasks()
    await breaker.close()

    assert len(asyncio.all_tasks()) < len(before)
    breaker.open("away")
    with pytest.raises(RedisUnavailableError, match="closed"):
        breaker.check()
    await asyncio.sleep(0.06)
    assert other_side.asked == 0
