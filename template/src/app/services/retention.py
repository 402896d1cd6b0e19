"""The deletion of rows by their age: by a job every night, and by `app db purge`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from sqlalchemy import ColumnElement, SQLColumnExpression, Table, delete, exists, func, select

from app.core import get_logger
from app.core.config.process import RetentionSettings
from app.core.database import Base, Statement
from app.core.jobs import BaseJob
from app.core.jobs.queue import log, queue
from app.core.uow import unit_of_work
from app.models.domain.user import ApiKey, RefreshToken, Session, User

# Deleted in one transaction: a few milliseconds' work, which no request notices.
BATCH: Final = 1000

# The name of a table, and the statement that deletes a batch of its rows that may go.
Rule = tuple[str, Statement[None]]

logger = get_logger(__name__)


class PurgeOldRows(BaseJob):
    """Deletes what is old enough. A night that ends before it does is followed by another."""

    type: ClassVar[str] = "retention.purge"
    timeout_seconds: ClassVar[float] = 3600


@dataclass(frozen=True)
class Retention:
    """Deletes the rows that rules name."""

    rules: Sequence[Rule]

    async def run(self, _: PurgeOldRows) -> None:
        """Run the nightly job."""
        logger.info("old rows deleted", extra=dict(await self.purge()))

    async def purge(self, progress: Callable[[str, int], None] = lambda _table, _count: None) -> Mapping[str, int]:
        """Delete what may go, and return the number of rows by table, which `progress` is told after each batch.

        Batches are committed one by one: it may be interrupted anywhere, and goes on from there the next time.
        """
        counts: Counter[str] = Counter()
        for table, deletion in self.rules:
            batch = BATCH
            while batch == BATCH:
                async with unit_of_work() as uow:
                    batch = await uow.session.execute(deletion)
                counts[table] += batch
                progress(table, counts[table])
        return counts


def make_rule(model: type[Base] | Table, condition: ColumnElement[bool]) -> Rule:
    """Return the rule that rows of a model may go for which a condition holds, the oldest keys first.

    Rows that others have locked are left for the next time: it waits for no lock, and locks no more than it deletes.
    """
    table = model if isinstance(model, Table) else Base.metadata.tables[model.__tablename__]
    (key,) = table.primary_key
    old = select(key).where(condition).order_by(key).limit(BATCH).with_for_update(skip_locked=True)
    return table.name, Statement(delete(table).where(key.in_(old)))


def older_than(column: SQLColumnExpression[Any], days: int) -> ColumnElement[bool]:
    """Return the condition that a moment is so many days ago, by the database's clock."""
    return column < func.now() - timedelta(days=days)


def make_rules(settings: RetentionSettings) -> list[Rule]:
    """Return the rules of every project's tables."""
    days = settings.session_days
    is_ended = exists().where(Session.id == RefreshToken.session_id, older_than(Session.revoked_at, days))
    has_tokens = exists().where(RefreshToken.session_id == Session.id)
    waits = exists().where(queue.c.id == log.c.job_id)
    return [
        make_rule(RefreshToken, older_than(RefreshToken.expires_at, days) | is_ended),
        # By then without tokens, of which a session may have thousands: they go in batches of their own.
        make_rule(Session, ~has_tokens & older_than(func.coalesce(Session.revoked_at, Session.created_at), days)),
        make_rule(ApiKey, older_than(func.least(ApiKey.revoked_at, ApiKey.expires_at), settings.api_key_days)),
        # Registrations that were never confirmed; the disabled ones keep their addresses from being registered again.
        make_rule(User, User.email_verified_at.is_(None) & User.is_active & older_than(User.created_at, days)),
        make_rule(queue, (queue.c.status == "failed") & older_than(queue.c.updated, settings.failed_job_days)),
        make_rule(log, older_than(log.c.created, settings.job_days) & ~waits),
    ]
