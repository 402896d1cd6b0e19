"""Promises of reports to Sentry."""

from __future__ import annotations

from tests.promises.promise import Promise

REPORTS = "tests/integration/api/sentry"

SENTRY = (
    Promise(
        "Sentry gets no secrets",
        "src/app/core/sentry.py",
        "            before_send=_scrub,\n",
        "",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "Sentry gets no local variables",
        "src/app/core/sentry.py",
        "include_local_variables=False",
        "include_local_variables=True",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "Sentry gets no personal data unless asked for",
        "src/app/core/sentry.py",
        "if self._personal_data else {}",
        "",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "reports to Sentry are of their own request",
        "src/app/core/sentry.py",
        "sentry_sdk.set_user({",
        "sentry_sdk.get_global_scope().set_user({",
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
        "src/app/api/middleware/__init__.py",
        "            response = unexpected_error(error, debug=self.debug)\n",
        "            unexpected_error(error, debug=self.debug)\n"
        "            response = unexpected_error(error, debug=self.debug)\n",
        f"{REPORTS}/test_reports.py::test_a_bug_is_one_event_that_tells_everything",
    ),
    Promise(
        "a hung Sentry holds up no stop",
        "src/app/core/sentry.py",
        "close(timeout=flush_seconds)",
        "close(timeout=flush_seconds + 6)",
        f"{REPORTS}/test_faults.py::test_no_request_fails_or_waits_and_the_stop_is_bounded[hung]",
    ),
    Promise(
        "the event loop goes on while reports are flushed",
        "src/app/core/sentry.py",
        "await asyncio.get_running_loop().run_in_executor(threads, reporter.close, ",
        "(lambda *_: reporter.close(settings.flush_seconds))(",
        f"{REPORTS}/test_faults.py::test_the_event_loop_goes_on_while_the_rest_is_sent",
    ),
    Promise(
        "Sentry gets no secrets of transactions",
        "src/app/core/sentry.py",
        "            before_send_transaction=_scrub,\n",
        "",
        f"{REPORTS}/test_secrecy.py",
    ),
    Promise(
        "Sentry has one span a query",
        "src/app/core/sentry.py",
        "auto_enabling_integrations=False",
        "auto_enabling_integrations=True",
        f"{REPORTS}/test_reports.py",
    ),
    Promise(
        "an error that is logged, too, reaches Sentry once",
        "src/app/core/sentry.py",
        "disabled_integrations=[LoggingIntegration(), ",
        "disabled_integrations=[",
        f"{REPORTS}/test_reports.py",
    ),
    Promise(
        "an answer that was chosen is no report",
        "src/app/core/sentry.py",
        "StarletteIntegration(failed_request_status_codes=set())",
        "StarletteIntegration()",
        f"{REPORTS}/test_reports.py",
    ),
)
