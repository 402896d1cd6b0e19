"""`RateLimits`: so many in such a time, and an exact time to wait."""

from collections.abc import Iterator

import pytest
import time_machine

from app.core.security import Rate, RateLimits, caller_address

pytestmark = pytest.mark.anyio

THREE_A_MINUTE = Rate(times=3, seconds=60)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until a test shifts it."""
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as moved:
        yield moved


async def test_hit_uses_an_allowance_up_which_then_grows_back_evenly(clock: time_machine.Traveller) -> None:
    limits = RateLimits()

    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    assert await limits.hit("b", THREE_A_MINUTE) == 0
    clock.shift(19.9)
    assert await limits.hit("a", THREE_A_MINUTE) == pytest.approx(0.1), "being refused uses nothing up"
    clock.shift(0.1)
    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(2)] == [0, pytest.approx(20)]
    clock.shift(3600)
    assert [await limits.hit("a", THREE_A_MINUTE) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # a dual-stack socket's
        ("64:ff9b::192.0.2.1", "192.0.2.1"),  # NAT64
        ("::ffff:0:192.0.2.1", "192.0.2.1"),  # SIIT
        ("2002:c000:201::1", "192.0.2.1"),  # 6to4
        ("2001:0:5ef5:79fd:0:0:3fff:fdfe", "192.0.2.1"),  # Teredo
        ("2001:0DB8:0::2", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("64:ff9b:1::1", "64:ff9b:1::1"),
        ("a socket's file", "a socket's file"),
    ],
)
def test_caller_address_has_one_form_for_each_caller(host: str, counted: str) -> None:
    assert caller_address(host) == counted


async def test_hit_forgets_the_keys_unused_for_longest_first(clock: time_machine.Traveller) -> None:
    limits = RateLimits(max_keys=2)
    once = Rate(times=1, seconds=60)
    for key in ("old", "kept", "new"):
        await limits.hit(key, once)

    assert await limits.hit("kept", once) > 0
    assert await limits.hit("old", once) == 0
