"""The engine's own statements: its tables, and what operators ask of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from pgqueuer import AsyncpgDriver, Queries
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.domain.settings import DBSettings
from pgqueuer.models import JobId
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config import DatabaseSettings
from app.core.database import migration_engine
from app.core.jobs.queue import SCHEMA

_NAMES: Final = DBSettings(db_schema=SCHEMA)


@asynccontextmanager
async def connected(settings: DatabaseSettings) -> AsyncIterator[Queries]:
    """Have the engine's statements on a connection of their own, past any pooler: it listens for new jobs."""
    engine = migration_engine(settings)
    async with engine.connect() as connection:
        await connection.execute(text("SET application_name = 'app worker'"))
        await connection.commit()
        yield await _queries(connection)


async def install(connection: AsyncConnection, *, role: str) -> None:
    """Make the queue's tables, or bring those of an earlier version up to date; a part of `app db upgrade`.

    Args:
        connection: Of the one migrator at a time.
        role: The role of the processes that write jobs, where it is not the one that owns the tables.
    """
    queries = await _queries(connection)
    if await queries.schema_is_installed():
        await queries.apply_upgrade()
    else:
        await queries.install()
    if role != await connection.scalar(select(func.current_user())):
        quoted = connection.dialect.identifier_preparer.quote_identifier(role)
        for grant in (
            f"USAGE ON SCHEMA {SCHEMA}",
            f"SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA}",
            f"USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA}",
        ):
            await connection.exec_driver_sql(f"GRANT {grant} TO {quoted}")
    await connection.commit()


async def _queries(connection: AsyncConnection) -> Queries:
    raw = await connection.get_raw_connection()
    return Queries(
        AsyncpgDriver(raw.driver_connection),
        qbe=QueryBuilderEnvironment(_NAMES),
        qbq=QueryQueueBuilder(_NAMES),
        qbs=QuerySchedulerBuilder(_NAMES),
    )


async def retry(settings: DatabaseSettings, numbers: Sequence[int]) -> None:
    """Give jobs that were put aside all their attempts again."""
    async with connected(settings) as queries:
        await queries.requeue_jobs([JobId(number) for number in numbers])


async def cancel(settings: DatabaseSettings, numbers: Sequence[int]) -> None:
    """Take jobs out of the queue; one that runs is interrupted."""
    async with connected(settings) as queries:
        await queries.mark_job_as_cancelled([JobId(number) for number in numbers])
