"""Metrics for Prometheus, over all processes of a server.

A metric is a constant of the module that counts. Each process writes its numbers into files of a folder that
`serving_metrics` makes; the process that has made it, which outlives the others, adds them up when it is asked
(prometheus-client's documentation, "Multiprocess Mode").
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.core.config.process import TelemetrySettings
from app.core.exceptions import AppException, ConfigurationError

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

# Prometheus asks every 15 s or 60 s.
_SAMPLE_SECONDS: Final = 10.0
# Where prometheus-client looks for the folder; child processes inherit it.
_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

_counting = False


class _Metric:
    def __init__(self, name: str, documentation: str, *labels: str, **options: object) -> None:
        self._declared = (name, documentation, labels)
        self._options = options
        self._made: dict[tuple[str, ...], Any] = {}

    def _of(self, labels: tuple[str, ...]) -> Any:  # noqa: ANN401 — the library's, which is not loaded here
        if not self._made:
            import prometheus_client  # noqa: PLC0415 — once the folder is known, and only if there is one

            made = getattr(prometheus_client, type(self).__name__)
            self._made[()] = made(*self._declared, registry=None, **self._options)
        if labels not in self._made:
            self._made[labels] = self._made[()].labels(*labels)
        return self._made[labels]


class Counter(_Metric):
    """A number that grows, as `Counter("app_orders_total", "Orders by their state.", "state")`.

    A label has few values, known in advance: never an id, a path or a caller's text.
    """

    def add(self, *labels: str, amount: float = 1) -> None:
        """Add to the number of these labels."""
        if _counting:
            self._of(labels).inc(amount)


class Gauge(_Metric):
    """A number that rises and falls; that of a process ends with it.

    `multiprocess_mode` is "livesum" where the processes' numbers add up, and "livemostrecent" where each knows it all.
    """

    def set(self, value: float) -> None:
        """Note the number as it is now."""
        if _counting:
            self._of(()).set(value)


class Histogram(_Metric):
    """Durations in seconds, counted up to each of `buckets`."""

    def observe(self, seconds: float, *labels: str) -> None:
        """Count something that took so long."""
        if _counting:
            self._of(labels).observe(seconds)


@asynccontextmanager
async def counting(*samples: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have this process count until the block ends, where metrics are served; take the samples every 10 s."""
    global _counting  # noqa: PLW0603 — one for the process
    if _FOLDER not in os.environ:
        yield
        return
    _counting = True
    sampling = asyncio.create_task(_sample(samples))
    try:
        yield
    finally:
        _counting = False
        sampling.cancel()


@contextmanager
def serving_metrics(settings: TelemetrySettings, *, host: str) -> Iterator[None]:
    """Answer `/metrics` for this process and those that it starts, until the block ends, where a port is set.

    Raises:
        ConfigurationError: The port is taken.
    """
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

    def collect(self) -> "Iterable[Family]":
        from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: PLC0415

        for file in Path(self._folder).glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid, self._folder)  # type: ignore[no-untyped-call]
        found: Iterable[Family] = MultiProcessCollector(None, self._folder).collect()  # type: ignore[no-untyped-call]
        return found


async def _sample(samples: Iterable[Callable[[], Awaitable[None]]]) -> None:
    while True:
        for each in samples:
            with suppress(AppException):  # The database may be away.
                await each()
        await asyncio.sleep(_SAMPLE_SECONDS)
