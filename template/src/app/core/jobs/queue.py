"""The queue's table, as far as this application writes and reads it: the engine's worker does the rest.

The columns are pgqueuer's (its own schema declaration, `pgqueuer.domain.schema`); `tests/integration/jobs` holds
this description against the tables that the engine makes. They are in a schema of their own, so that migrations of the
application do not see them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Column, DateTime, Enum, Integer, LargeBinary, MetaData, Table, Text, bindparam
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql import func

from app.core.database import Statement, WriteSession
from app.core.jobs.job import BaseJob
from app.core.logging.lines import log_context_values

SCHEMA: Final = "jobs"
STATUSES: Final = ("queued", "picked", "successful", "exception", "canceled", "deleted", "failed")

_status = Enum(*STATUSES, name="pgqueuer_status", schema=SCHEMA, create_type=False)
_metadata = MetaData(schema=SCHEMA)

queue: Final = Table(
    "pgqueuer",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("heartbeat", DateTime(timezone=True), nullable=False),
    Column("execute_after", DateTime(timezone=True), nullable=False),
    Column("status", _status, nullable=False),
    Column("entrypoint", Text, nullable=False),
    Column("dedupe_key", Text),
    Column("payload", LargeBinary),
    Column("headers", JSONB),
    Column("attempts", Integer, nullable=False),
)
log: Final = Table(
    "pgqueuer_log",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("status", _status, nullable=False),
    Column("entrypoint", Text, nullable=False),
    Column("traceback", JSONB),
)

# A job with the key of one that waits or runs is that one, so that nothing is written.
_INSERT: Final = Statement(
    insert(queue)
    .values(
        priority=0,
        status="queued",
        entrypoint=bindparam("type"),
        payload=bindparam("payload"),
        headers=bindparam("headers"),
        dedupe_key=bindparam("key"),
        execute_after=func.coalesce(bindparam("run_at", type_=DateTime(timezone=True)), func.now()),
    )
    .on_conflict_do_nothing()
)


class Enqueued(NamedTuple):
    """A job that waits for its unit of work to be committed.

    Attributes:
        job: The work.
        run_at: When it may run at the earliest; as soon as possible unless given.
        key: Of jobs with one key, one waits or runs at a time.
    """

    job: BaseJob
    run_at: datetime | None = None
    key: str | None = None


@dataclass(slots=True)
class QueuedJob:
    """A row of the queue."""

    id: int
    status: str
    entrypoint: str
    payload: bytes | None
    headers: dict[str, object] | None
    attempts: int
    execute_after: datetime


async def enqueue(session: WriteSession, enqueued: Sequence[Enqueued]) -> None:
    """Write jobs into the queue, each with the request and the trace that it is a consequence of."""
    headers = {name: value for name, value in log_context_values().items() if name in {"request_id", "trace_id"}}
    rows = [
        _INSERT.arguments(
            {
                "type": each.job.type,
                "payload": each.job.to_payload(),
                "headers": headers,
                "key": None if each.key is None else f"{each.job.type}:{each.key}",
                "run_at": each.run_at,
            }
        )
        for each in enqueued
    ]
    driver = await session.driver()
    # One round trip, however many they are.
    await session.run(driver.executemany, _INSERT.sql, rows)
