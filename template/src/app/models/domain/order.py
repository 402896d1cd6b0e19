"""The `orders` table, and how far an order can get."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Timestamps, UuidKey


class OrderStatus(StrEnum):
    """How far an order has got."""

    PENDING = "pending"
    PROCESSING = "processing"  # the customer has paid by a method whose money takes days
    FAILED = "failed"  # and it has not come
    PAID = "paid"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


# What may follow what. News that would lead elsewhere is old, since webhooks arrive in any order, and changes nothing.
NEXT: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PROCESSING, OrderStatus.FAILED, OrderStatus.PAID}),
    OrderStatus.PROCESSING: frozenset({OrderStatus.FAILED, OrderStatus.PAID}),
    # Paid after all: by another attempt, or because the news of the failure was late.
    OrderStatus.FAILED: frozenset({OrderStatus.PROCESSING, OrderStatus.PAID}),
    OrderStatus.PAID: frozenset({OrderStatus.REFUNDING, OrderStatus.REFUNDED}),
    OrderStatus.REFUNDING: frozenset({OrderStatus.REFUNDED, OrderStatus.PAID}),
    # A bank may send a refund back long after it had succeeded.
    OrderStatus.REFUNDED: frozenset({OrderStatus.PAID}),
}
# Where a checkout may begin.
PAYABLE: Final = frozenset({OrderStatus.PENDING, OrderStatus.FAILED})


class Order(UuidKey, Timestamps, Base):
    """What somebody is to pay for.

    Attributes:
        owner_id: Whose it is. Who has orders cannot be deleted: they are records of money.
        idempotency_key: Under which the owner made it; the same key makes no second one.
        amount: In minor units. Fixed: what is paid is compared with it.
        checkout_attempt: Counts checkout pages; part of the key under which each is made.
        checkout_session_id: The page that is open, or was the last.
        payment_intent_id: Stripe's payment.
        refund_attempt: Counts refunds, likewise.
        failed_refunds: Refunds that came to nothing; later news of them is old.
        test_mode: Whether it was paid with no real money.
    """

    __tablename__ = "orders"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    idempotency_key: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(200))
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(20), server_default=text("'pending'"))
    checkout_attempt: Mapped[int] = mapped_column(server_default=text("1"))
    checkout_session_id: Mapped[str | None] = mapped_column(String(255))
    checkout_url: Mapped[str | None] = mapped_column(Text)
    checkout_expires_at: Mapped[datetime | None]
    payment_intent_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    paid_at: Mapped[datetime | None]
    refund_attempt: Mapped[int] = mapped_column(server_default=text("0"))
    refund_id: Mapped[str | None] = mapped_column(String(255))
    failed_refunds: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    refunded_at: Mapped[datetime | None]
    test_mode: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key"),
        CheckConstraint("amount > 0", name="amount"),
        # The order of a listing: an owner's newest first.
        Index("ix_orders_owner_id_id", "owner_id", "id"),
    )
