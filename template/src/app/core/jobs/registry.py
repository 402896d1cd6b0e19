"""The jobs that this process knows: their handlers, their schedules, and how one of them is run."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from app.core.exceptions import ConfigurationError, JobLostError, JobVersionError
from app.core.jobs.job import BaseJob
from app.core.logging import get_logger
from app.core.monitoring import monitor
from app.core.process import get_object

J = TypeVar("J", bound=BaseJob)

# A job that a newer version of this code has written waits for a worker that knows it.
_UNKNOWN_VERSION_SECONDS: Final = 60.0

logger = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Handler:
    """The function that runs the jobs of a type."""

    job_type: type[BaseJob]
    function: Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A job that is enqueued again and again.

    Attributes:
        cron: When, as five fields in UTC: minute, hour, day of the month, month, day of the week.
        job_type: The job, which is made without values.
    """

    cron: str
    job_type: type[BaseJob]


class RetryLater(Exception):
    """The job failed and is to be tried again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds


class Jobs:
    """Handlers by the types of their jobs, and the jobs that are due again and again."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.schedules: list[Schedule] = []

    def register(self, job_type: type[J], function: Callable[[J], Awaitable[object]]) -> None:
        """Have a function run the jobs of a type.

        It is given the job, and opens the unit of work that it needs itself (`unit_of_work()`). What it raises is
        reported, and the job tried again.

        Raises:
            ConfigurationError: Another type has this name.
        """
        if job_type.type in self.handlers:
            raise ConfigurationError(f"Two jobs are called {job_type.type}; each needs a name of its own.")
        self.handlers[job_type.type] = Handler(job_type=job_type, function=function)

    def schedule(self, cron: str, job_type: type[BaseJob]) -> None:
        """Have a job without values enqueued at times, in UTC, once however many workers there are.

        Args:
            cron: Minute, hour, day of the month, month and day of the week, as in `0 3 * * *`.
            job_type: The job, which is registered as well.
        """
        self.schedules.append(Schedule(cron=cron, job_type=job_type))

    async def run(self, name: str, payload: bytes, headers: Mapping[str, object], *, starts: int) -> None:
        """Run a job.

        Its lines in the log and its reports carry the request that it goes back to.

        Args:
            name: The type.
            payload: As `BaseJob.to_payload` has made it.
            headers: The request and the trace it is a consequence of.
            starts: How often it has been started, this time included.

        Raises:
            RetryLater: It failed, and is to be tried again.
            Exception: It failed for good.
        """
        handler = self.handlers[name]
        facts = {key: str(value) for key, value in headers.items() if key in {"request_id", "trace_id"}}
        with monitor.scope(job_type=name, **facts):
            try:
                job = handler.job_type.from_payload(payload)
            except Exception as err:
                if isinstance(err, JobVersionError) and err.written > err.known:
                    logger.warning("job is of a newer version", written=err.written, known=err.known)
                    raise RetryLater(_UNKNOWN_VERSION_SECONDS) from err
                monitor.capture_exception(err, context={"operation": "jobs.read"})
                raise
            await self._attempt(handler, job, starts)

    async def _attempt(self, handler: Handler, job: BaseJob, starts: int) -> None:
        facts = {"operation": "jobs.run", "job_id": str(job.id), "attempt": starts}
        last = starts >= job.attempts
        if starts > job.attempts:
            # It has been started as often as it may, and never came to its end: it may be what kills its workers.
            monitor.capture_message("a job was put aside: its worker died each time", "error", context=facts)
            raise JobLostError(job.type, job.attempts)
        try:
            async with asyncio.timeout(job.timeout_seconds):
                await handler.function(job)
        except Exception as err:
            monitor.capture_exception(err, context={**facts, "last": last})
            if last:
                raise
            raise RetryLater(job.backoff(starts)) from err
        logger.info("job done", job_id=str(job.id), attempt=starts)


def get_jobs() -> Jobs:
    """Return the process's jobs; ConfigurationError where there are none yet, or no longer."""
    return get_object(Jobs)
