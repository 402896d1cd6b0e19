"""What reports to Sentry keep."""

from __future__ import annotations

from tests.promises.promise import Promise

REPORTS = "tests/integration/api/sentry"

SENTRY = (
    Promise(
        "Sentry gets no secrets",
        "src/app/core/monitoring/sentry/client.py",
        "            before_send=_scrub,\n",
        "",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "Sentry gets no local variables",
        "src/app/core/monitoring/sentry/client.py",
        "include_local_variables=False",
        "include_local_variables=True",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "Sentry gets no personal data unless asked for",
        "src/app/core/monitoring/sentry/events.py",
        "if personal_data and user.email is not None",
        "if user.email is not None",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "reports to Sentry are of their own request",
        "src/app/core/monitoring/sentry/spans.py",
        '_current: Final[ContextVar[Span | None]] = ContextVar("sentry_span", default=None)',
        "class _Shared:\n"
        "    value = None\n"
        "    get = lambda self: self.value\n"
        "    set = lambda self, value: setattr(self, 'value', value)\n"
        "    reset = lambda self, _token: setattr(self, 'value', None)\n\n\n"
        "_current = _Shared()",
        f"{REPORTS}/test_isolation.py",
    ),
    Promise(
        "an error that was foreseen is not reported",
        "src/app/api/errors.py",
        "            log_error(logger, error)\n",
        "            monitor.capture_exception(error)\n",
        f"{REPORTS}/test_reports.py::test_an_error_that_was_foreseen_is_none_of_sentry_s_business",
    ),
    Promise(
        "a failure is reported once",
        "src/app/api/middleware/unexpected.py",
        "            response = unexpected_error(error, debug=self.debug)\n",
        "            unexpected_error(error, debug=self.debug)\n"
        "            response = unexpected_error(error, debug=self.debug)\n",
        f"{REPORTS}/test_reports.py::test_a_bug_is_one_event_that_tells_everything",
    ),
    Promise(
        "a hung Sentry holds up no stop",
        "src/app/core/monitoring/sentry/client.py",
        "self._client.close(timeout=flush_seconds)",
        "self._client.close(timeout=flush_seconds + 6)",
        f"{REPORTS}/test_faults.py::test_no_request_fails_or_waits_and_the_stop_is_bounded[hung]",
    ),
    Promise(
        "the event loop goes on while reports are flushed",
        "src/app/core/monitoring/sentry/backend.py",
        "await run_in_thread(self._client.close, flush_seconds, ",
        "(lambda *_, **__: self._client.close(flush_seconds))(",
        f"{REPORTS}/test_faults.py::test_the_event_loop_goes_on_while_the_rest_is_sent",
    ),
)
