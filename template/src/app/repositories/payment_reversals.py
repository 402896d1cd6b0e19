"""Statements on refunds and disputes, one each."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.core.database import WriteSession
from app.models.domain.payment_reversal import PaymentReversal


async def list_reversals(session: WriteSession, payment_intent_id: str) -> Sequence[PaymentReversal]:
    """Return what is known to go back of a payment."""
    statement = select(PaymentReversal).where(PaymentReversal.payment_intent_id == payment_intent_id)
    return (await (await session.orm()).scalars(statement.execution_options(populate_existing=True))).all()


async def upsert_reversal(session: WriteSession, values: Mapping[str, object]) -> None:
    """Record the latest news of a refund or dispute."""
    statement = insert(PaymentReversal).values(dict(values))
    await (await session.orm()).execute(
        statement.on_conflict_do_update(
            index_elements=[PaymentReversal.id],
            set_={name: statement.excluded[name] for name in ("amount", "status", "happened_at")},
        )
    )
