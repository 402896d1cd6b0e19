"""The queue's table, as far as this application writes and reads it: the engine's worker does the rest.

The columns are pgqueuer's, and `tests/integration/jobs` compares them with the tables that it makes. These are in a
schema of their own, so that migrations of the application do not see them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Enum, Integer, LargeBinary, MetaData, Table, Text, bindparam
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql import func

from app.core.database import Statement, WriteSession
from app.core.jobs import BaseJob
from app.core.logging import log_context_values
from app.core.telemetry import trace_headers

SCHEMA: Final = "jobs"

_STATUSES: Final = ("queued", "picked", "successful", "exception", "canceled", "deleted", "failed")
_status = Enum(*_STATUSES, name="pgqueuer_status", schema=SCHEMA, create_type=False)
_metadata = MetaData(schema=SCHEMA)

queue: Final = Table(
    "pgqueuer",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
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


@dataclass(slots=True)
class QueuedJob:
    """A row of the queue."""

    id: int
    status: str
    entrypoint: str
    payload: bytes | None
    headers: dict[str, str] | None
    attempts: int
    execute_after: datetime


def to_row(job: BaseJob, *, run_at: datetime | None, key: str | None) -> list[object]:
    """Return the values that `enqueue` writes, with the request and the trace that the job is a consequence of."""
    headers = {name: value for name, value in log_context_values().items() if name in {"request_id", "trace_id"}}
    return _INSERT.arguments(
        {
            "type": job.type,
            "payload": job.to_payload(),
            "headers": headers | trace_headers(),
            "key": None if key is None else f"{job.type}:{key}",
            "run_at": run_at,
        }
    )


async def enqueue(session: WriteSession, rows: Sequence[list[object]]) -> None:
    """Write jobs into the queue, in one round trip however many they are."""
    driver = await session.driver()
    await session.run(driver.executemany, _INSERT.sql, rows)
