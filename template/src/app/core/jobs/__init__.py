"""Work that survives: jobs are rows of the database, written in the transaction of the change that they belong to.

    class SendReceipt(BaseJob): ...             the work and its values
    uow.enqueue(SendReceipt(...))               in a service: committed with the change, or not at all
    jobs.register(SendReceipt, send_receipt)    in `wiring.py`
    jobs.schedule("0 3 * * *", MakeReport)      at three every night, once however many workers there are

Any number of `app worker` processes run them, at least once each. The engine is pgqueuer, which only `engine.py` knows.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

from app.core.exceptions import ConfigurationError, InfrastructureException, JobVersionError
from app.core.logging import get_logger, log_later
from app.core.monitoring import monitor
from app.core.process import get_object
from app.core.telemetry import Counter, span

J = TypeVar("J", bound="BaseJob")

logger = get_logger(__name__)

RUNS: Final = Counter("app_job_runs_total", "Runs of jobs: done, to be retried, or failed for good.", "type", "outcome")


class BaseJob(BaseModel):
    """A piece of work. A subclass has a name of its own, and adds the values that the work needs.

        class SendReceipt(BaseJob):
            type: ClassVar[str] = "receipt.send"
            order_id: UUID

    It holds keys rather than rows, which may have changed by the time it runs. It may be run more than once, after a
    crash for example; `id` is the same each time, and serves as an idempotency key.

    Attributes:
        type: The name it keeps for ever, whatever becomes of the class. Every subclass states its own.
        version: Of the subclass's fields: raise it when one changes its meaning or goes away, and have `upgrade` make
            the new values of the old ones, since jobs of the version before may be waiting.
        attempts: How often it is tried before it is put aside, for `app jobs` to show.
        backoff_seconds: The wait after the first failure; it doubles with each further one, up to the longest.
        timeout_seconds: How long the handler may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: ClassVar[str] = "job"
    version: ClassVar[int] = 1
    attempts: ClassVar[int] = 8
    backoff_seconds: ClassVar[float] = 5
    longest_backoff_seconds: ClassVar[float] = 3600
    timeout_seconds: ClassVar[float] = 60

    id: UUID = Field(default_factory=uuid7)

    @classmethod
    def upgrade(cls, version: int, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 — for subclasses
        """Return the values that this version of the job has, made of those of an older one, as JSON has them."""
        raise JobVersionError(cls.type, written=version, known=cls.version)

    def to_payload(self) -> bytes:
        """Return the job as it is written into the queue."""
        return json.dumps({"version": self.version, "values": self.model_dump(mode="json")}).encode()

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Return the job that was written; JobVersionError where this code does not know its version."""
        written = json.loads(payload)
        version, values = written["version"], written["values"]
        if version > cls.version:
            raise JobVersionError(cls.type, written=version, known=cls.version)
        return cls.model_validate(cls.upgrade(version, values) if version < cls.version else values)


@dataclass(eq=False)
class RetryLater(Exception):
    """Raised when a job is to be run again, after so many seconds; `counts` is False where that is no failure."""

    seconds: float
    counts: bool = True


class Jobs:
    """The jobs that this process knows.

    Attributes:
        handlers: The class of each type, and the function that runs its jobs.
        schedules: The times and the class of each job that is due again and again.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, tuple[type[BaseJob], Callable[[Any], Awaitable[object]]]] = {}
        self.schedules: list[tuple[str, type[BaseJob]]] = []

    def register(self, job_type: type[J], function: Callable[[J], Awaitable[object]]) -> None:
        """Have a function run the jobs of a type; ConfigurationError where another class has its name.

        It is given the job, and opens the unit of work that it needs itself (`unit_of_work()`). What it raises is
        reported, and the job tried again.
        """
        if job_type.type in self.handlers:
            raise ConfigurationError(f"Two jobs are called {job_type.type}; each needs a name of its own.")
        self.handlers[job_type.type] = job_type, function

    def schedule(self, cron: str, job_type: type[BaseJob]) -> None:
        """Have a job without values enqueued at times, in UTC, once however many workers there are.

        `cron` is minute, hour, day of the month, month and day of the week, as in `0 3 * * *`. The job is registered,
        too.
        """
        self.schedules.append((cron, job_type))

    async def run(self, name: str, payload: bytes, headers: Mapping[str, Any], *, number: int, starts: int) -> None:
        """Run a job of this type. Its lines in the log and its reports carry the request that it goes back to.

        Args:
            name: The type.
            payload: As `BaseJob.to_payload` has made it.
            headers: The request and the trace it is a consequence of.
            number: The one that `app jobs` shows.
            starts: How often it has been started, this time included.

        Raises:
            RetryLater: It is to be run again; after any other error, it is not.
        """
        job_type, function = self.handlers[name]
        facts = {key: value for key, value in headers.items() if key != "traceparent"}
        outcome = "retried"
        with span(f"job {name}", headers=headers) as ids, monitor.scope(job_type=name, **{**facts, **ids}):
            try:
                if starts > job_type.attempts:  # and never came to an end: it may be what kills its workers
                    lost = f"The worker of {name} died each time."
                    raise InfrastructureException(lost)  # noqa: TRY301 — reported as others are
                job = job_type.from_payload(payload)
                async with asyncio.timeout(job_type.timeout_seconds):
                    await function(job)
                outcome = "done"
            except Exception as err:
                if isinstance(err, JobVersionError) and err.written > err.known:
                    logger.warning("job is of a newer version", written=err.written, known=err.known)
                    raise RetryLater(60, counts=False) from err  # for a worker that knows it
                last = starts >= job_type.attempts
                context = {"operation": "jobs.run", "job_number": number, "attempt": starts, "last": last}
                monitor.capture_exception(err, context=context)
                if last:
                    outcome = "failed"
                    raise
                wait = job_type.backoff_seconds * 2.0 ** (starts - 1)
                raise RetryLater(min(wait, job_type.longest_backoff_seconds)) from err
            finally:
                RUNS.add(name, outcome)
            log_later(logger, "info", "job done", job_number=number, attempt=starts)


def get_jobs() -> Jobs:
    """Return the process's jobs; ConfigurationError where there are none yet, or no longer."""
    return get_object(Jobs)
