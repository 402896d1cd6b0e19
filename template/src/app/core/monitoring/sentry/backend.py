"""The monitor's way to Sentry."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from app.core.monitoring.report import Level, Report
from app.core.monitoring.sentry import events, spans
from app.core.monitoring.sentry.client import SentryClient
from app.core.threads import ThreadLimiter, run_in_thread


class SentryBackend:
    """A `MonitorBackend` that makes an event of each report.

    Args:
        client: Takes the events.
        describe: What a report that is made at this moment tells.
        traces_sample_rate: The share of traces that is sent.
        personal_data: Whether users' addresses and names are sent.
    """

    def __init__(
        self,
        client: SentryClient,
        *,
        describe: Callable[[], Report],
        traces_sample_rate: float,
        personal_data: bool,
    ) -> None:
        self._client = client
        self._describe = describe
        self._traces_sample_rate = traces_sample_rate
        self._personal_data = personal_data

    def capture_exception(self, err: BaseException, report: Report) -> None:
        """Send the error with its causes."""
        self._send(report, events.error_facts(err), self._client.event_of(err))

    def capture_message(self, message: str, level: Level, report: Report) -> None:
        """Send the message."""
        self._send(report, events.message_event(message, level))

    def span(self, name: str) -> AbstractContextManager[object]:
        """An outermost span is sent when it ends, if it was chosen, with those that ended within it."""
        if not self._traces_sample_rate:
            return nullcontext()
        return spans.record(
            name,
            sample_rate=self._traces_sample_rate,
            trace_id=lambda: events.trace_id_of(self._describe()),
            finish=self._send_transaction,
        )

    async def close(self, flush_seconds: float) -> None:
        """Send what waits, within so many seconds; the event loop goes on meanwhile."""
        # A thread of its own: the common ones may all be taken by what the process is stopped for.
        await run_in_thread(self._client.close, flush_seconds, limiter=ThreadLimiter(1, name="sentry-flush"))

    def _send(self, report: Report, *parts: dict[str, Any]) -> None:
        facts = events.report_facts(report, span=spans.current_span(), personal_data=self._personal_data)
        self._client.send(events.merged(facts, *parts))

    def _send_transaction(self, transaction: spans.Transaction, ended: dict[str, Any]) -> None:
        report = self._describe()
        trace = {name: ended[name] for name in ("trace_id", "span_id", "op", "status")}
        facts = events.request_facts(report, personal_data=self._personal_data)
        own = {
            "type": "transaction",
            "transaction": ended["description"],
            "transaction_info": {"source": "custom"},
            "start_timestamp": ended["start_timestamp"],
            "timestamp": ended["timestamp"],
            "contexts": {"trace": trace},
            "spans": transaction.spans,
        }
        self._client.send(events.merged(facts, own))
