"""Rate limits: so many in such a time, and an exact time to wait."""

from collections.abc import Iterator

import pytest
import time_machine

from app.core.security import MemoryRateLimits, Rate

pytestmark = pytest.mark.anyio

THREE_A_MINUTE = Rate(times=3, seconds=60)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until a test shifts it."""
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as moved:
        yield moved


async def test_an_allowance_is_used_up_then_grows_back_evenly(clock: time_machine.Traveller) -> None:
    limits = MemoryRateLimits()

    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    clock.shift(19.9)
    assert await limits.hit("a", THREE_A_MINUTE) == pytest.approx(0.1)
    clock.shift(0.1)
    assert await limits.hit("a", THREE_A_MINUTE) == 0
    assert await limits.hit("a", THREE_A_MINUTE) == pytest.approx(20)
    clock.shift(3600)
    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]


async def test_being_refused_uses_nothing_up(clock: time_machine.Traveller) -> None:
    limits = MemoryRateLimits()
    for _ in range(50):
        await limits.hit("a", THREE_A_MINUTE)

    clock.shift(20)

    assert await limits.hit("a", THREE_A_MINUTE) == 0


async def test_keys_do_not_share_an_allowance(clock: time_machine.Traveller) -> None:
    limits = MemoryRateLimits()
    for _ in range(3):
        await limits.hit("a", THREE_A_MINUTE)

    assert await limits.hit("b", THREE_A_MINUTE) == 0


async def test_what_is_refunded_can_be_used_again(clock: time_machine.Traveller) -> None:
    limits = MemoryRateLimits()
    for _ in range(3):
        await limits.hit("a", THREE_A_MINUTE)

    await limits.refund("a", THREE_A_MINUTE)

    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(2)] == [0, pytest.approx(20)]


async def test_the_keys_unused_for_longest_are_forgotten_first(clock: time_machine.Traveller) -> None:
    limits = MemoryRateLimits(max_keys=2)
    once = Rate(times=1, seconds=60)
    await limits.hit("old", once)
    await limits.hit("kept", once)
    await limits.hit("new", once)

    assert await limits.hit("kept", once) > 0
    assert await limits.hit("old", once) == 0
