"""Metrics, traces, and the log's line of a slow statement."""

from __future__ import annotations

from tests.promises.promise import Promise

METRICS = "tests/integration/telemetry/test_metrics.py"
TRACES = "tests/integration/telemetry/test_traces.py"
ONE_TRACE = f"{TRACES}::test_trace_goes_from_the_request_over_statements_and_calls_to_the_job"
EACH_METRIC = f"{METRICS}::test_every_metric_moves_with_what_it_is_about"

TELEMETRY = (
    Promise(
        "a label of metrics is no text of a caller",
        "src/app/api/middleware/context.py",
        'getattr(scope.get("route"), "path", "none")',
        'scope["path"]',
        EACH_METRIC,
    ),
    Promise(
        "a job that failed for good is counted as such",
        "src/app/core/jobs/__init__.py",
        '                    outcome = "failed"\n',
        "",
        EACH_METRIC,
    ),
    Promise(
        "those who wait for a connection are counted",
        "src/app/core/database/connections.py",
        "            self.waiting += 1\n",
        "",
        f"{METRICS}::test_get_database_stats_tells_of_those_who_wait",
    ),
    Promise(
        "a job goes on with the trace of its request",
        "src/app/core/jobs/queue.py",
        "headers | trace_headers()",
        "headers",
        ONE_TRACE,
    ),
    Promise(
        "no trace begins with a statement of a probe",
        "src/app/core/telemetry/opentelemetry.py",
        "if is_call else",
        "if not named else",
        ONE_TRACE,
    ),
    Promise(
        "a span has no query string",
        "src/app/core/telemetry/opentelemetry.py",
        '_replace(query="", fragment="")',
        "_replace()",
        ONE_TRACE,
    ),
    Promise(
        "a span has no text of an error",
        "src/app/core/telemetry/opentelemetry.py",
        "        links=span.links,\n",
        "        links=span.links,\n        events=span.events,\n",
        f"{TRACES}::test_trace_tells_of_a_failure_without_its_text",
    ),
    Promise(
        "a slow statement says its route",
        "src/app/api/middleware/context.py",
        "request_scope.set(scope)",
        "request_scope.set({})",
        "tests/integration/api/test_request_context.py"
        "::test_slow_statement_is_a_warning_with_its_route",
    ),
)
