"""Metrics for Prometheus and traces for OpenTelemetry, for others to see this process run.

Both are off unless their variable is set. Off, nothing of them is loaded, and a call looks at one variable.

A metric is a constant of the module that counts. Each process writes its numbers into files of a folder that
`serving_metrics` makes; the process that has made it, which outlives the others, adds them up when it is asked
(prometheus-client's documentation, "Multiprocess Mode").
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.core.config.process import TelemetrySettings
from app.core.exceptions import AppException, ConfigurationError

if TYPE_CHECKING:
    from app.core.telemetry.opentelemetry import Traces

# Prometheus asks every 15 s or 60 s.
_SAMPLE_SECONDS: Final = 10.0
# Where prometheus-client looks for the folder; child processes inherit it.
_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

_counting = False
_traces: "Traces | None" = None


class _Metric:
    def __init__(self, name: str, documentation: str, *labels: str, **options: object) -> None:
        self._declared = (name, documentation, labels)
        self._options = options
        self._children: dict[tuple[str, ...], Any] = {}  # to find one again costs the library as much as to count

    @cached_property
    def _made(self) -> Any:  # noqa: ANN401 — the library's, which is not loaded here
        import prometheus_client  # noqa: PLC0415 — once the folder is known, and only if there is one

        return getattr(prometheus_client, type(self).__name__)(*self._declared, registry=None, **self._options)

    def _note(self, verb: str, number: float, *labels: str) -> None:
        if _counting:
            if labels not in self._children:
                self._children[labels] = self._made.labels(*labels) if labels else self._made
            getattr(self._children[labels], verb)(number)


class Counter(_Metric):
    """A number that grows, as `Counter("app_orders_total", "Orders by their state.", "state")`.

    A label has few values, known in advance: never an id, a path or a caller's text.
    """

    def add(self, *labels: str, amount: float = 1) -> None:
        """Add to the number of these labels."""
        self._note("inc", amount, *labels)


class Gauge(_Metric):
    """A number that rises and falls; that of a process ends with it.

    `multiprocess_mode` is "livesum" where the processes' numbers add up, and "livemostrecent" where each knows it all.
    """

    def set(self, value: float) -> None:
        """Note the number as it is now."""
        self._note("set", value)


class Histogram(_Metric):
    """Durations in seconds, counted up to each of `buckets`."""

    def observe(self, seconds: float, *labels: str) -> None:
        """Count something that took so long."""
        self._note("observe", seconds, *labels)


@asynccontextmanager
async def counting(*samples: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have this process count until the block ends, where metrics are served; take the samples every 10 s."""
    global _counting  # noqa: PLW0603 — one for the process
    if _FOLDER not in os.environ:
        yield
        return

    async def sample() -> None:
        while True:
            for each in samples:
                with suppress(AppException):  # The database may be away.
                    await each()
            await asyncio.sleep(_SAMPLE_SECONDS)

    _counting = True
    sampling = asyncio.create_task(sample())
    try:
        yield
    finally:
        _counting = False
        sampling.cancel()


@contextmanager
def serving_metrics(settings: TelemetrySettings, *, host: str) -> Iterator[None]:
    """Answer `/metrics` for this process and those that it starts, until the block ends; nothing without a port."""
    if settings.metrics_port is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        os.environ[_FOLDER] = folder
        from prometheus_client import start_http_server  # noqa: PLC0415 — reads the variable when it is imported

        try:
            server, _ = start_http_server(settings.metrics_port, host, _Processes(folder))
        except OSError as err:
            raise ConfigurationError(
                f"Nothing can listen on {host}:{settings.metrics_port} ({err.strerror}).",
                next_step="Stop what listens there, or set another TELEMETRY_METRICS_PORT.",
            ) from None
        try:
            yield
        finally:
            os.environ.pop(_FOLDER, None)
            server.shutdown()
            server.server_close()


class _Processes:
    """The numbers of all processes, without the gauges of those that have ended, however they did."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def collect(self) -> Any:  # noqa: ANN401 — as above
        from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: PLC0415

        for file in Path(self._folder).glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid, self._folder)  # type: ignore[no-untyped-call]
        return MultiProcessCollector(None, self._folder).collect()  # type: ignore[no-untyped-call]


def make_traces(settings: TelemetrySettings, *, service: str) -> "Traces | None":
    """Return what makes this process's spans; None unless switched on, ConfigurationError without the extra."""
    if settings.traces_endpoint is None:
        return None
    try:
        from app.core.telemetry.opentelemetry import Traces  # noqa: PLC0415 — an extra
    except ModuleNotFoundError as err:
        raise ConfigurationError(
            f"TELEMETRY_TRACES_ENDPOINT is set, and {err.name} is not installed.",
            next_step="Install it: uv sync --extra traces",
        ) from None
    return Traces(settings.traces_endpoint, sample_rate=settings.traces_sample_rate, service=service)


@asynccontextmanager
async def tracing(traces: "Traces | None") -> AsyncIterator[None]:
    """Trace statements, outgoing calls and the blocks of `span` until this block ends; then send what waits."""
    global _traces  # noqa: PLW0603 — one for the process, like the libraries that are instrumented
    async with traces or nullcontext():
        _traces = traces
        try:
            yield
        finally:
            _traces = None


def span(name: str, *, headers: Mapping[str, object] | None = None) -> AbstractContextManager[Mapping[str, str]]:
    """Time a block as a part of what is timed already, or of a job's trace by its headers.

    The name is a constant. The block is given `trace_id` for the log, where traces are on.
    """
    return nullcontext({}) if _traces is None else _traces.span(name, headers)


def trace_headers() -> dict[str, str]:
    """Return `traceparent`, for what follows from this to go on with the trace; nothing where traces are off."""
    return {} if _traces is None else _traces.headers()


def current_trace_id() -> str | None:
    """Return the id of the trace that this code is a part of; None where traces are off."""
    return None if _traces is None else _traces.trace_id()
