"""Metrics for Prometheus and traces for OpenTelemetry, for others to see this process run.

Both are off unless their variable is set. Off, nothing of them is loaded, and a call looks at one variable.
"""

from app.core.telemetry.metrics import Counter, Gauge, Histogram, counting, serving_metrics
from app.core.telemetry.traces import current_trace_id, make_traces, span, trace_headers, tracing
