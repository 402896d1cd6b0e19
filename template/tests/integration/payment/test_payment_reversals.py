"""An order's status as a table over what is known to go back of its payment."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from app.models.domain.order import OrderStatus
from app.models.domain.payment_reversal import PaymentReversal, ReversalKind, status_of_paid

NOW = datetime(2030, 1, 1, tzinfo=UTC)
REFUNDS = ["pending", "requires_action", "succeeded", "failed", "canceled", "of_a_later_version"]
OPEN = ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review"]
HARMLESS = [
    "won",
    "prevented",
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "of_a_later_version",
]


def refund(status: str, amount: int = 1000) -> PaymentReversal:
    return PaymentReversal(kind=ReversalKind.REFUND, amount=amount, status=status, happened_at=NOW)


def dispute(status: str) -> PaymentReversal:
    return PaymentReversal(kind=ReversalKind.DISPUTE, amount=1000, status=status, happened_at=NOW)


@pytest.mark.parametrize(
    ("status", "amount", "end"),
    [
        ("pending", 1000, ("refunding", 0)),
        ("requires_action", 1000, ("refunding", 0)),
        ("succeeded", 1000, ("refunded", 1000)),
        ("succeeded", 999, ("partially_refunded", 999)),
        ("pending", 1, ("refunding", 0)),
        ("failed", 1000, ("paid", 0)),
        ("canceled", 1000, ("paid", 0)),
        ("of_a_later_version", 1000, ("paid", 0)),
    ],
)
def test_status_of_paid_follows_from_a_refund(status: str, amount: int, end: tuple[str, int]) -> None:
    assert status_of_paid(1000, [refund(status, amount)]) == end
    for harmless in HARMLESS:
        assert status_of_paid(1000, [dispute(harmless), refund(status, amount)]) == end


def test_status_of_paid_follows_from_a_dispute_whatever_was_refunded() -> None:
    for opened, refunded in product(OPEN, REFUNDS):
        assert status_of_paid(1000, [refund(refunded), dispute(opened)])[0] == OrderStatus.DISPUTED
    for other in (*OPEN, *HARMLESS):
        assert status_of_paid(1000, [dispute(other), dispute("lost")])[0] == OrderStatus.DISPUTE_LOST
    for harmless in HARMLESS:
        assert status_of_paid(1000, [dispute(harmless)]) == (OrderStatus.PAID, 0)


def test_status_of_paid_is_refunding_while_stripe_is_asked() -> None:
    assert status_of_paid(1000, [], refund_asked=True) == ("refunding", 0)
    assert status_of_paid(1000, [refund("succeeded", 1)], refund_asked=True) == ("refunding", 1)
    assert status_of_paid(1000, [refund("succeeded")], refund_asked=True) == ("refunded", 1000)
    assert status_of_paid(1000, [dispute("lost")], refund_asked=True) == ("dispute_lost", 0)


def test_refunds_only_get_further_whatever_the_clock_says() -> None:
    ranks = {"pending": 0, "requires_action": 1, "succeeded": 2, "failed": 3, "canceled": 4}
    for known, news in product(ranks, ranks):
        for seconds in (-1, 0, 1):
            overtaken = refund(known).is_overtaken_by(news, NOW + timedelta(seconds=seconds))
            assert overtaken is (ranks[news] > ranks[known]), (known, news, seconds)


@pytest.mark.parametrize("final", ["won", "lost"])
def test_a_dispute_is_overtaken_by_what_happened_later(final: str) -> None:
    for opened in OPEN[:2]:
        assert dispute(opened).is_overtaken_by(final, NOW)
        assert not dispute(final).is_overtaken_by(opened, NOW)
        assert not dispute(final).is_overtaken_by(opened, NOW - timedelta(seconds=1))
    assert dispute(final).is_overtaken_by("appeal_under_review", NOW + timedelta(seconds=1))
