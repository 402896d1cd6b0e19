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

from app.core.database.lifecycle import WriteSession, get_async_session
from app.core.events import BaseEvent
from app.core.exceptions import AppException
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
        self._actions: list[Callable[[], None]] = []
        self._commits_with: BaseException | None = None

    async def flush(self) -> None:
        """Send pending changes to the database without committing them, to learn keys or meet constraints."""
        await self.session.flush()

    def record(self, event: BaseEvent) -> None:
        """Have an event published once the changes are committed."""
        self._events.append(event)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have something done in this process once the changes are committed, and not at all if they are not."""
        self._actions.append(action)

    def committing(self, error: AppException) -> AppException:
        """Let the changes be committed although this error is about to be raised.

        For refusals with consequences, such as a stolen credential that is refused and revoked. Write
        `raise uow.committing(SomeError(...))`, in the outermost block.
        """
        self._commits_with = error
        return error

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            if error is not self._commits_with:
                await self.session.rollback()
                raise
            await self._commit()
            raise
        await self._commit()

    async def _commit(self) -> None:
        try:
            await self.session.commit()
        except BaseException:
            await self.session.rollback()
            raise
        for action in self._actions:
            action()

    def _take_over(self, inner: "UnitOfWork") -> None:
        self._events.extend(inner._events)
        self._actions.extend(inner._actions)

    async def _publish(self, publish: Publish) -> None:
        try:
            await publish(self._events)
        except Exception:
            logger.exception("publishing events failed", events=[type(event).__name__ for event in self._events])


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
        async with uow._transaction() if outer is None else session.begin_nested():  # noqa: SLF001 — of this module
            yield uow
    finally:
        session.info[_CURRENT] = outer
    if outer is not None:
        outer._take_over(uow)  # noqa: SLF001
    elif publish is not None and uow._events:  # noqa: SLF001
        await uow._publish(publish)  # noqa: SLF001


@asynccontextmanager
async def unit_of_work(*, publish: Publish | None = None) -> AsyncIterator[UnitOfWork]:
    """A unit of work with a session of its own: for commands and jobs, and where a request's would last too long."""
    async with get_async_session() as session, atomic(session, publish=publish) as uow:
        yield uow
