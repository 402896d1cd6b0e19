"""OpenTelemetry's SDK, set up so that spans hold no values of statements, no query strings and no texts of errors."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.core.redaction import redact

# The longest that sending a batch takes. A process that stops sends three at most.
_SEND_SECONDS: Final = 2
_ADDRESSES: Final = frozenset({"http.url", "url.full", "http.target"})


class Traces:
    """Spans of this process, which a thread sends to a collector; where that is away, spans are lost and no time.

    The endpoint is the collector's address, without `/v1/traces`; spans are found by the name of the service.
    """

    def __init__(self, endpoint: str, *, sample_rate: float, service: str) -> None:
        exporter = _Exporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_SEND_SECONDS)
        self.provider = TracerProvider(
            resource=Resource.create({"service.name": service}),
            sampler=ParentBased(_OfWork(sample_rate)),
            shutdown_on_exit=False,
        )
        self.provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=1024))
        self._tracer = self.provider.get_tracer("app")
        self._libraries = (AsyncPGInstrumentor(), HTTPXClientInstrumentor())  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> None:
        # The ids alone travel, and none of the baggage that callers send along.
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        for each in self._libraries:
            each.instrument(tracer_provider=self.provider)

    async def __aexit__(self, *_raised: object) -> None:
        for each in self._libraries:
            each.uninstrument()
        await asyncio.to_thread(self.provider.shutdown)

    @contextmanager
    def span(self, name: str, headers: Mapping[str, object] | None) -> Iterator[dict[str, str]]:
        """See `app.core.telemetry.span`."""
        parent = None if headers is None else propagate.extract(headers)
        kind = SpanKind.INTERNAL if headers is None else SpanKind.CONSUMER
        with self._tracer.start_as_current_span(name, context=parent, kind=kind) as current:
            yield {"trace_id": trace.format_trace_id(current.get_span_context().trace_id)}

    def headers(self) -> dict[str, str]:
        """Return `traceparent` (W3C Trace Context, 3.2)."""
        headers: dict[str, str] = {}
        propagate.inject(headers)
        return headers

    def trace_id(self) -> str | None:
        """Return the id of the current trace; None outside of one."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None


class _OfWork(TraceIdRatioBased):
    """Begins no trace with a statement or a call: workers ask their queue, and probes the database, all the time."""

    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:  # noqa: ANN401 — handed on
        """See the base; `ParentBased` names all arguments."""
        is_call = named["kind"] is SpanKind.CLIENT
        return SamplingResult(Decision.DROP) if is_call else super().should_sample(*args, **named)


class _Exporter(OTLPSpanExporter):
    """Sends spans without what may be secret or personal."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See the base."""
        return super().export([_scrubbed(each) for each in spans])


def _scrubbed(span: ReadableSpan) -> ReadableSpan:
    attributes = cast("dict[str, Any]", redact(dict(span.attributes or {})))
    attributes.pop("url.query", None)
    for name in _ADDRESSES & attributes.keys():
        attributes[name] = urlsplit(attributes[name])._replace(query="", fragment="").geturl()
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        attributes,
        # No events, which are exceptions, and no text of one: PostgreSQL's repeat the values.
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
