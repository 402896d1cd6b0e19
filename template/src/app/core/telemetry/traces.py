"""The doors to traces. Behind them is OpenTelemetry's SDK, which is loaded where traces are switched on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from app.core.config.process import TelemetrySettings
from app.core.exceptions import ConfigurationError

if TYPE_CHECKING:
    from app.core.telemetry.opentelemetry import Traces

_open: "Traces | None" = None


def make_traces(settings: TelemetrySettings, *, service: str) -> "Traces | None":
    """Return what makes this process's spans and sends them; None unless switched on.

    Raises:
        ConfigurationError: The SDK is not installed.
    """
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
    global _open  # noqa: PLW0603 — one for the process, like the libraries that are instrumented
    if traces is None:
        yield
        return
    async with traces:
        _open = traces
        try:
            yield
        finally:
            _open = None


def span(name: str, *, headers: Mapping[str, object] | None = None) -> AbstractContextManager[Mapping[str, str]]:
    """Time a block as a part of what is timed already; it is given `trace_id` for the log, where traces are on.

    Args:
        name: A constant.
        headers: Those of a job, whose trace goes on in it.
    """
    return nullcontext({}) if _open is None else _open.span(name, headers)


def trace_headers() -> dict[str, str]:
    """Return `traceparent`, for what follows from this to go on with the trace; nothing where traces are off."""
    return {} if _open is None else _open.headers()


def current_trace_id() -> str | None:
    """Return the id of the trace that this code is a part of; None where traces are off."""
    return None if _open is None else _open.trace_id()
