"""Rate limits: so many in such a time, and an exact time to wait."""

import pytest

from app.core.security import MemoryRateLimits, Rate

pytestmark = pytest.mark.anyio

THREE_A_MINUTE = Rate(times=3, seconds=60)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, to be moved by hand; the wall clock has no say."""
    now = [1000.0]
    monkeypatch.setattr("app.core.security.rate_limits.time.monotonic", lambda: now[0])
    monkeypatch.setattr("app.core.security.rate_limits.time.time", lambda: pytest.fail("asked the wall clock"))
    return now


async def test_an_allowance_is_used_up_then_grows_back_evenly(clock: list[float]) -> None:
    limits = MemoryRateLimits()

    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    clock[0] += 19.9
    assert await limits.hit("a", THREE_A_MINUTE) == pytest.approx(0.1)
    clock[0] += 0.1
    assert await limits.hit("a", THREE_A_MINUTE) == 0
    assert await limits.hit("a", THREE_A_MINUTE) == pytest.approx(20)
    clock[0] += 3600
    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]


async def test_being_refused_uses_nothing_up(clock: list[float]) -> None:
    limits = MemoryRateLimits()
    for _ in range(50):
        await limits.hit("a", THREE_A_MINUTE)

    clock[0] += 20

    assert await limits.hit("a", THREE_A_MINUTE) == 0


async def test_keys_do_not_share_an_allowance(clock: list[float]) -> None:
    limits = MemoryRateLimits()
    for _ in range(3):
        await limits.hit("a", THREE_A_MINUTE)

    assert await limits.hit("b", THREE_A_MINUTE) == 0


async def test_what_is_refunded_can_be_used_again(clock: list[float]) -> None:
    limits = MemoryRateLimits()
    for _ in range(3):
        await limits.hit("a", THREE_A_MINUTE)

    await limits.refund("a", THREE_A_MINUTE)

    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(2)] == [0, pytest.approx(20)]


async def test_the_keys_unused_for_longest_are_forgotten_first(clock: list[float]) -> None:
    limits = MemoryRateLimits(max_keys=2)
    once = Rate(times=1, seconds=60)
    await limits.hit("old", once)
    await limits.hit("kept", once)
    await limits.hit("new", once)

    assert await limits.hit("kept", once) > 0
    assert await limits.hit("old", once) == 0
