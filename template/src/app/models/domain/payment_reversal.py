"""The `payment_reversals` table: refunds and disputes, and what they make of a paid order.

News of them comes in any order, also before the news of the payment. So each is kept by Stripe's id as the latest that
is known of it, and an order's status follows from all that are there: no delivery has to come before another.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.domain.order import OrderStatus


class ReversalKind(StrEnum):
    """The kinds of reversal."""

    REFUND = "refund"
    DISPUTE = "dispute"


class Money(StrEnum):
    """The places where the money of a reversal can be."""

    OURS = "ours"  # it came to nothing, or is only being asked about
    LEAVING = "leaving"
    GONE = "gone"


# API reference, "Refund" and "Dispute": status. A refund that had succeeded may still fail: its bank sends it back.
_MONEY: Final = {
    ReversalKind.REFUND: {"pending": Money.LEAVING, "requires_action": Money.LEAVING, "succeeded": Money.GONE},
    ReversalKind.DISPUTE: {
        "needs_response": Money.LEAVING,
        "under_review": Money.LEAVING,
        "appeal_needs_response": Money.LEAVING,
        "appeal_under_review": Money.LEAVING,
        "lost": Money.GONE,
    },
}
_BY_PROGRESS: Final = ("pending", "requires_action", "succeeded", "failed", "canceled")


class PaymentReversal(Base):
    """A refund or a dispute of a payment, which need not be one of this application's.

    Attributes:
        id: Stripe's.
        payment_intent_id: The payment that money goes back of.
        amount: In minor units.
        status: Stripe's word.
        happened_at: The moment of the latest news, by Stripe's clock.
    """

    __tablename__ = "payment_reversals"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    payment_intent_id: Mapped[str] = mapped_column(String(255), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int]
    currency: Mapped[str | None] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(255))
    happened_at: Mapped[datetime]

    @property
    def money(self) -> Money:
        """The place where its money is."""
        return _MONEY[ReversalKind(self.kind)].get(self.status, Money.OURS)

    def is_overtaken_by(self, status: str, happened_at: datetime) -> bool:
        """Return whether news are newer than what is known.

        Stripe's clock tells seconds, and a refund is made and done within one; it never goes back, so its progress
        decides. A dispute may: it is lost, appealed and won.
        """
        if self.kind == ReversalKind.REFUND and {self.status, status} <= set(_BY_PROGRESS):
            return _BY_PROGRESS.index(status) > _BY_PROGRESS.index(self.status)
        if happened_at == self.happened_at:
            return self.money is Money.LEAVING or self.status.startswith("warning_")
        return happened_at > self.happened_at


def status_of_paid(
    amount: int, reversals: Iterable[PaymentReversal], *, refund_asked: bool = False
) -> tuple[OrderStatus, int]:
    """Return the status of an order that was paid, and how much of its amount has been refunded.

    Args:
        amount: The amount that was paid.
        reversals: The known reversals of its payment.
        refund_asked: True while Stripe has been asked for a refund and has not answered.
    """
    refunds = [each for each in reversals if each.kind == ReversalKind.REFUND]
    disputes = {each.money for each in reversals if each.kind == ReversalKind.DISPUTE}
    refunded = sum(each.amount for each in refunds if each.money is Money.GONE)
    if Money.GONE in disputes:
        return OrderStatus.DISPUTE_LOST, refunded
    if Money.LEAVING in disputes:
        return OrderStatus.DISPUTED, refunded
    if refunded >= amount:
        return OrderStatus.REFUNDED, refunded
    if refund_asked or any(each.money is Money.LEAVING for each in refunds):
        return OrderStatus.REFUNDING, refunded
    return (OrderStatus.PARTIALLY_REFUNDED if refunded else OrderStatus.PAID), refunded
