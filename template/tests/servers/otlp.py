"""The spans that a server was sent, as a collector of OpenTelemetry reads them."""

from collections.abc import Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.servers.http import FaultyServer


def received(collector: FaultyServer) -> list[Span]:
    """The spans that a collector was sent."""
    found: list[Span] = []
    for request in collector.requests:
        assert (request.method, request.target) == ("POST", "/v1/traces")
        sent = ExportTraceServiceRequest.FromString(request.body)
        for resource in sent.resource_spans:
            (name,) = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
            assert name
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def path(span: Span, spans: Sequence[Span]) -> str:
    """The names of a span and of those that it is a part of."""
    above = [path(each, spans) for each in spans if each.span_id == span.parent_span_id]
    return " > ".join([*above, span.name])
