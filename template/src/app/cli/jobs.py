"""`app jobs`: what waits in the queue, what runs, and what was put aside."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from sqlalchemy import bindparam, select, true

from app.cli.output import out
from app.cli.settings import with_services
from app.core.database import Statement, get_database
from app.core.exceptions import ResourceNotFoundError
from app.core.jobs import get_jobs
from app.core.jobs.queue import QueuedJob, log, queue
from app.core.redaction import redact

jobs = typer.Typer(no_args_is_help=True, add_completion=False)

# The engine's words, and ours.
_STATES: Final = {"queued": "waiting", "picked": "running", "failed": "put aside"}


@dataclass(slots=True)
class _Attempt:
    created: datetime
    status: str
    traceback: dict[str, Any] | None


_FIND: Final = Statement(select(queue).where(queue.c.id == bindparam("id")), QueuedJob)
_ATTEMPTS: Final = Statement(select(log).where(log.c.job_id == bindparam("job_id")).order_by(log.c.id), _Attempt)

Number = Annotated[int, typer.Argument(help="The job's number, which `app jobs list` shows.")]
Numbers = Annotated[list[int], typer.Argument(help="The jobs' numbers, which `app jobs list` shows.")]


@jobs.command(name="list")
@with_services
async def list_jobs(
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that were put aside.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the oldest first.")] = 100,
) -> None:
    """Show jobs, a line each: number, state, type, when it may run, attempts that have failed."""
    chosen = select(queue).where(queue.c.status == "failed" if failed else true())
    oldest = chosen.order_by(queue.c.execute_after, queue.c.id).limit(limit + 1)
    rows = await get_database().reader.all(Statement(oldest, QueuedJob))
    for row in rows[:limit]:
        out.print(_line(row))
    if len(rows) > limit:
        out.print("…")


@jobs.command(name="show")
@with_services
async def show_job(number: Number) -> None:
    """Show a job: its values, the request it goes back to, and the errors of its attempts."""
    row = await get_database().reader.one_or_none(_FIND, id=number)
    attempts = await get_database().reader.all(_ATTEMPTS, job_id=number)
    if row is None and not attempts:
        raise ResourceNotFoundError("job", number)
    if row is not None:
        out.print(_line(row))
        # Values of jobs of your own may be secret.
        out.print(f"payload  {json.dumps(redact(json.loads(row.payload or b'{}')))}")
        out.print(f"request  {json.dumps(row.headers or {})}")
    for each in attempts:
        error = each.traceback or {}
        said = f"  {error.get('exception_type')}: {error.get('exception_message')}" if error else ""
        out.print(f"{each.created:%Y-%m-%d %H:%M:%SZ}  {each.status}{said}")


@jobs.command(name="retry")
@with_services
async def retry_jobs(numbers: Numbers) -> None:
    """Try jobs that were put aside again, as often as at first."""
    from app.core.jobs.engine import retry  # noqa: PLC0415 — it takes a while to import

    await retry(get_database().settings, numbers)


@jobs.command(name="cancel")
@with_services
async def cancel_jobs(numbers: Numbers) -> None:
    """Take jobs out of the queue; one that runs is interrupted."""
    from app.core.jobs.engine import cancel  # noqa: PLC0415 — it takes a while to import

    await cancel(get_database().settings, numbers)


def _line(row: QueuedJob) -> str:
    state = _STATES.get(row.status, row.status)
    if row.status == "queued" and row.entrypoint not in get_jobs().handlers:
        state = "unknown type"
    return f"{row.id}  {state}  {row.entrypoint}  {row.execute_after:%Y-%m-%d %H:%M:%SZ}  {row.attempts} failed"
