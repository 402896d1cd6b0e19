"""The unit of work: the one place that commits.

    async with atomic(session) as uow:
        uow.session.add(...)
        uow.record(SomethingHappened(...))

Everything inside is committed together when the block ends, or rolled back together when it raises. Blocks nest: an
inner one is a savepoint. Events recorded inside are published after the commit, and dropped by a rollback.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from app.core.database.lifecycle import WriteSession, get_database
from app.core.events import BaseEvent
from app.core.exceptions import AppException
from app.core.logging import get_logger
from app.core.monitoring import monitor

Publish = Callable[[BaseEvent], Awaitable[None]]

# Where a session keeps the unit of work it is inside of.
_CURRENT: Final = "unit_of_work"

logger = get_logger(__name__)


class UnitOfWork:
    """What a block of `atomic()` is given.

    Attributes:
        session: Where changes go.
        events: What to publish after the commit.
        actions: What to do after the commit.
        commits_with: An error that does not undo the changes.
    """

    def __init__(self, session: WriteSession) -> None:
        self.session = session
        self.events: list[BaseEvent] = []
        self.actions: list[Callable[[], None]] = []
        self.commits_with: BaseException | None = None

    async def flush(self) -> None:
        """Send pending changes to the database without committing them, to learn keys or meet constraints."""
        await self.session.flush()

    def record(self, event: BaseEvent) -> None:
        """Have an event published once the changes are committed."""
        self.events.append(event)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have something done in this process once the changes are committed, and not at all if they are not."""
        self.actions.append(action)

    def committing(self, error: AppException) -> AppException:
        """Let the changes be committed although this error is about to be raised.

        For refusals with consequences, such as a stolen credential that is refused and revoked. Write
        `raise uow.committing(SomeError(...))`, in the outermost block.
        """
        self.commits_with = error
        return error


@asynccontextmanager
async def atomic(session: WriteSession, *, publish: Publish | None = None) -> AsyncIterator[UnitOfWork]:
    """Commit on success, roll back on any exception; inside another block of the same session, a savepoint.

    Args:
        session: The session whose changes belong together.
        publish: Takes the recorded events, one by one and in order, after the commit of the outermost block. Its
            failure is reported and changes nothing: what is committed cannot be taken back.

    Raises:
        DatabaseException: The commit failed; nothing was changed.
    """
    outer: UnitOfWork | None = session.info.get(_CURRENT)
    uow = UnitOfWork(session)
    session.info[_CURRENT] = uow
    try:
        async with session.begin_nested() if outer else _transaction(uow, publish):
            yield uow
    finally:
        session.info[_CURRENT] = outer
    if outer:
        outer.events.extend(uow.events)
        outer.actions.extend(uow.actions)


@asynccontextmanager
async def unit_of_work(*, publish: Publish | None = None) -> AsyncIterator[UnitOfWork]:
    """A unit of work with a session of its own: a request's, a command's, a job's."""
    async with get_database().session() as session, atomic(session, publish=publish) as uow:
        yield uow


@asynccontextmanager
async def _transaction(uow: UnitOfWork, publish: Publish | None) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        if error is uow.commits_with:
            await _commit(uow, publish)
        else:
            await uow.session.rollback()
        raise
    await _commit(uow, publish)


async def _commit(uow: UnitOfWork, publish: Publish | None) -> None:
    try:
        await uow.session.commit()
    except BaseException:
        await uow.session.rollback()
        raise
    for action in uow.actions:
        action()
    for event in uow.events:
        await _publish(publish, event)


async def _publish(publish: Publish | None, event: BaseEvent) -> None:
    """One failure does not keep the others back, and none of them takes back what is committed."""
    facts = {"operation": "uow.publish", "event_type": event.type, "event_id": str(event.id)}
    if publish is None:
        logger.warning("an event was recorded where nobody publishes; give atomic() a publisher", extra=facts)
        return
    try:
        await publish(event)
    except Exception as err:  # noqa: BLE001 — reported
        monitor.capture_exception(err, context=facts)
