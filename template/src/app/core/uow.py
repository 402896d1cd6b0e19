"""The unit of work: the one place that commits.

    async with atomic(session) as uow:
        uow.session.add(...)
        uow.record(SomethingHappened(...))

Everything inside is committed together when the block ends, or rolled back together when it raises. Blocks nest: an
inner one is a savepoint. Events recorded inside are published after the commit, and dropped by a rollback.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from app.core.database.lifecycle import WriteSession
from app.core.events import BaseEvent
from app.core.logging import get_logger

Publish = Callable[[Sequence[BaseEvent]], Awaitable[None]]

# Where a session keeps the unit of work it is inside of.
_CURRENT: Final = "unit_of_work"

logger = get_logger(__name__)


class UnitOfWork:
    """What a block of `atomic()` is given."""

    def __init__(self, session: WriteSession) -> None:
        self.session = session
        self._events: list[BaseEvent] = []

    async def flush(self) -> None:
        """Send pending changes to the database without committing them, to learn keys or meet constraints."""
        await self.session.flush()

    def record(self, event: BaseEvent) -> None:
        """Have an event published once the changes are committed."""
        self._events.append(event)


@asynccontextmanager
async def atomic(session: WriteSession, *, publish: Publish | None = None) -> AsyncIterator[UnitOfWork]:
    """Commit on success, roll back on any exception; inside another block of the same session, a savepoint.

    Args:
        session: The session whose changes belong together.
        publish: Takes the recorded events after the commit of the outermost block. Its failure is logged and changes
            nothing: what is committed cannot be taken back.

    Raises:
        DatabaseException: The commit failed; nothing was changed.
    """
    outer: UnitOfWork | None = session.info.get(_CURRENT)
    uow = UnitOfWork(session)
    session.info[_CURRENT] = uow
    try:
        if outer is not None:
            async with session.begin_nested():
                yield uow
            outer._events.extend(uow._events)  # noqa: SLF001 — of the same class
            return
        try:
            yield uow
            await session.commit()
        except BaseException:
            await session.rollback()
            raise
    finally:
        session.info[_CURRENT] = outer
    if publish is not None and uow._events:  # noqa: SLF001
        await _publish(publish, uow._events)  # noqa: SLF001


async def _publish(publish: Publish, events: Sequence[BaseEvent]) -> None:
    try:
        await publish(events)
    except Exception:
        logger.exception("publishing events failed", events=[type(event).__name__ for event in events])
