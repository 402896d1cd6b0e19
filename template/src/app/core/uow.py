"""The unit of work: the one place that commits, and that publishes what was recorded.

Everything inside a block is committed together when it ends, jobs included, or rolled back together when it raises.
Events recorded inside are published after the commit, and dropped by a rollback.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from app.core.database import WriteSession, get_async_session
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import AppException
from app.core.jobs import BaseJob
from app.core.jobs.queue import enqueue, to_row
from app.core.monitoring import monitor

Action = Callable[[], Awaitable[object] | None]  # a coroutine function, or another


class UnitOfWork:
    """The changes of a block of `atomic()`, which `session` takes, and what follows from them."""

    def __init__(self, session: WriteSession) -> None:
        self.session = session
        self.jobs: list[list[object]] = []
        self.actions: list[Action] = []
        self.commits_with: BaseException | None = None  # an error that does not undo the changes

    async def flush(self) -> None:
        """Send changes of entities that are pending, without committing them, to learn keys or meet constraints."""
        await (await self.session.orm()).flush()

    def record(self, event: BaseEvent) -> None:
        """Publish an event after the commit, by jobs if it is durable; ConfigurationError where there is no bus."""
        bus = get_event_bus()
        if event.durable:
            for job in bus.jobs_for(event):
                self.enqueue(job)
        else:
            self.after_commit(partial(bus.publish, event))

    def enqueue(self, job: BaseJob, *, run_at: datetime | None = None, key: str | None = None) -> None:
        """Have a worker do something: the job is written in the transaction of the changes, if and only if they are.

        It runs as soon as possible, but not before `run_at`, which has a time zone. Of the jobs of a type with the same
        `key` one waits or runs at a time: this one is left out where there is another.
        """
        self.jobs.append(to_row(job, run_at=run_at, key=key))

    def after_commit(self, action: Action) -> None:
        """Run a function or a coroutine function after the commit; the answer waits for it. Its failure is reported."""
        self.actions.append(action)

    def committing(self, error: AppException) -> AppException:
        """Let the changes be committed although this error is about to be raised, as in `raise uow.committing(…)`.

        For refusals with consequences, such as a stolen credential that is refused and revoked; in the outermost block.
        """
        self.commits_with = error
        return error


@asynccontextmanager
async def atomic(session: WriteSession) -> AsyncIterator[UnitOfWork]:
    """Commit on success, roll back on any exception, also the commit's; inside another block, this is a savepoint."""
    outer: UnitOfWork | None = session.unit_of_work
    session.unit_of_work = uow = UnitOfWork(session)
    try:
        if outer is not None:
            # SQLAlchemy's, which restores its entities, too. It begins with the first use of the connection.
            orm = await session.orm()
            async with orm.begin_nested():
                await orm.connection()
                yield uow
            outer.jobs.extend(uow.jobs)
            outer.actions.extend(uow.actions)
            return
        try:
            yield uow
        except BaseException as error:
            if error is uow.commits_with:
                await _commit(uow)
            else:
                await session.rollback()
            raise
        await _commit(uow)
    finally:
        session.unit_of_work = outer


@asynccontextmanager
async def unit_of_work() -> AsyncIterator[UnitOfWork]:
    """Open a unit of work with a session of its own: a request's, a command's, a job's."""
    async with get_async_session() as session, atomic(session) as uow:
        yield uow


async def _commit(uow: UnitOfWork) -> None:
    try:
        if uow.jobs:
            await enqueue(uow.session, uow.jobs)
        await uow.session.commit()
    except BaseException:
        await uow.session.rollback()
        raise
    for action in uow.actions:
        try:
            if (waiting := action()) is not None:
                await waiting
        except Exception as err:  # noqa: BLE001 — reported: it keeps no other back, and takes back no change
            monitor.capture_exception(err, context={"operation": "uow.after_commit"})
