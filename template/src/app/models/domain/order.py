"""The `orders` table."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Timestamps, UuidKey


class OrderStatus(StrEnum):
    """The states of an order."""

    PENDING = "pending"
    PROCESSING = "processing"  # the customer has paid by a method whose money takes days
    FAILED = "failed"  # and it has not come
    PAID = "paid"
    REFUNDING = "refunding"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"  # the payer's bank has taken the money back until it decides
    DISPUTE_LOST = "dispute_lost"  # and keeps it; an order whose dispute was won is paid again


# Where a checkout may begin.
PAYABLE: Final = frozenset({OrderStatus.PENDING, OrderStatus.FAILED})
# Where a refund may begin.
REFUNDABLE: Final = frozenset({OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED})


class Order(UuidKey, Timestamps, Base):
    """An amount that its owner is to pay. What comes back of it is in `payment_reversals`.

    Attributes:
        owner_id: The owner. A user who has orders cannot be deleted: they are records of money.
        idempotency_key: Under which the owner made it; the same key makes no second one.
        amount: In minor units. Fixed: what is paid is compared with it.
        checkout_attempt: Counts checkout pages; part of the key under which each is made.
        checkout_session_id: The page that is open, or was the last.
        former_session_ids: The pages before it, which may still have been paid in their last second.
        payment_intent_id: Stripe's payment; there is one as soon as the order is paid.
        amount_refunded: In minor units; what has come back so far.
        refund_attempt: Counts refunds, as checkouts are counted.
        refund_asked: True while Stripe has been asked for the last one and is not known to have answered.
        test_mode: True if it was paid with no real money.
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
    former_session_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    checkout_url: Mapped[str | None] = mapped_column(Text)
    checkout_expires_at: Mapped[datetime | None]
    payment_intent_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    paid_at: Mapped[datetime | None]
    refund_attempt: Mapped[int] = mapped_column(server_default=text("0"))
    refund_asked: Mapped[bool] = mapped_column(server_default=false())
    amount_refunded: Mapped[int] = mapped_column(server_default=text("0"))
    refunded_at: Mapped[datetime | None]
    test_mode: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key"),
        CheckConstraint("amount > 0", name="amount"),
        # The order of a listing: an owner's newest first.
        Index("ix_orders_owner_id_id", "owner_id", "id"),
    )
