"""Promises of the core's parts: from cache and events to settings."""

from __future__ import annotations

from tests.promises.promise import Promise

PARTS = (
    Promise(
        "a handler gets its events one at a time",
        "src/app/core/events.py",
        "        if subscription.task is None or subscription.task.done():\n",
        "        if True:\n",
        "tests/unit/core/test_events_load.py"
        "::test_publish_of_many_writers_loses_overtakes_and_holds_up_nothing",
    ),
    Promise(
        "an event handler sees nothing of the publisher",
        "src/app/core/events.py",
        ", context=Context()",
        "",
        "tests/unit/core/test_events.py"
        "::test_a_handler_sees_its_own_request_and_nothing_of_its_publisher_or_the_delivery_before",
    ),
    Promise(
        "an event handler that hangs is cancelled",
        "src/app/core/events.py",
        "asyncio.timeout(self._handler_timeout_seconds)",
        "asyncio.timeout(None)",
        "tests/unit/core/test_events.py"
        "::test_a_handler_that_raises_hangs_or_is_cancelled_disturbs_no_other_and_is_reported",
    ),
    Promise(
        "event queues are bounded",
        "src/app/core/events.py",
        "if len(subscription.waiting) >= self._queue_size:",
        "if subscription.waiting is None:",
        "tests/unit/core/test_events.py"
        "::test_publish_to_a_full_queue_is_refused_and_touches_no_other_handler",
    ),
    Promise(
        "handlers take many events in a turn of the event loop",
        "src/app/core/events.py",
        "            if begun % _TURN_EVENTS == 0:\n",
        "            if True:\n",
        "tests/unit/core/test_events_load.py"
        "::test_publish_of_many_writers_loses_overtakes_and_holds_up_nothing",
    ),
    Promise(
        "what is published is delivered before the process ends",
        "src/app/core/events.py",
        "while self._tasks:",
        "while False:",
        "tests/unit/core/test_events.py"
        "::test_stop_waits_for_what_is_published_and_for_what_handlers_publish_meanwhile",
    ),
    Promise(
        "an event holds the types it promises",
        "src/app/core/events.py",
        "strict=True, ",
        "",
        "tests/unit/core/test_events.py",
    ),
    Promise(
        "a user is on the lines of one request alone",
        "src/app/core/logging.py",
        "    if _context.get() is _CLOSED:\n        return False\n",
        "",
        "tests/unit/core/test_monitoring.py",
    ),
    Promise(
        "a call ends in time however slowly the answer trickles in",
        "src/app/core/http/__init__.py",
        "async with asyncio.timeout_at(deadline):",
        "async with asyncio.timeout_at(deadline + 15):",
        "tests/unit/core/http/test_fetch.py",
    ),
    Promise(
        "what may have been done already is not repeated",
        "src/app/core/http/__init__.py",
        "if attempt >= self.attempts or not (self.any_method or method in _IDEMPOTENT):",
        "if attempt >= self.attempts:",
        "tests/unit/core/http/test_retry.py",
    ),
    Promise(
        "a redirect takes no credentials to another host",
        "src/app/core/http/__init__.py",
        'content=options.get("content"),',
        'content=options.get("content"), follow_redirects=True,',
        "tests/unit/core/http/test_fetch.py",
    ),
    Promise(
        "no failure of a call shows what was sent",
        "src/app/core/http/__init__.py",
        "failure = _failure(err, service, operation)",
        "raise _failure(err, service, operation) from err",
        "tests/unit/core/http/test_secrecy.py",
    ),
    Promise(
        "an error status is an error after all attempts",
        "src/app/core/http/__init__.py",
        "if status not in accepted:",
        "if not status:",
        "tests/unit/core/http/test_retry.py",
    ),
    Promise(
        "a URL that a user chose leads to public addresses alone",
        "src/app/core/http/client.py",
        "if not addresses or not all(map(is_public, addresses)):",
        "if not addresses:",
        "tests/unit/core/http/test_client.py",
    ),
    Promise(
        "the address that was checked is the one that is called",
        "src/app/core/http/client.py",
        "    request.url = request.url.copy_with(host=addresses[0])\n",
        "",
        "tests/unit/core/http/test_client.py",
    ),
    Promise(
        "certificates are verified",
        "src/app/core/http/client.py",
        "trust_env=not public_only,",
        "trust_env=not public_only, verify=False,",
        "tests/unit/core/http/test_client.py",
    ),
    Promise(
        "all wrong settings are reported at once",
        "src/app/core/config/loading.py",
        "    found += refused\n",
        "    found = found or refused[:1]\n",
        "tests/unit/core/config/test_loading.py",
    ),
    Promise(
        "rules between settings are checked beside values that are wrong",
        "src/app/core/config/loading.py",
        "        return ApplicationSettings.model_validate(given), problems\n",
        "        return None, problems\n",
        "tests/unit/core/config/test_loading.py",
    ),
    Promise(
        "a value in a file of settings arrives as it is written",
        "src/app/core/config/loading.py",
        "not (written == value or ",
        "not (written or ",
        "tests/unit/core/config/test_env_file.py",
    ),
    Promise(
        "no part of a password is taken for a host",
        "src/app/core/config/database.py",
        "/([^@/?#\\s]+)",
        "/([^@?#\\s]+)",
        "tests/unit/core/config/test_database_url.py",
    ),
    Promise(
        "no error of the settings shows a value",
        "src/app/core/config/loading.py",
        "err.errors(include_input=False, include_url=False, include_context=False)",
        "[{**each, 'msg': f'is {each[\"input\"]}'} for each in err.errors()]",
        "tests/unit/core/config/test_loading.py::test_no_value_is_ever_in_an_error",
    ),
    Promise(
        "settings of development do not reach production",
        "src/app/core/config/loading.py",
        '".env" if environment is Environment.DEVELOPMENT else f".env.{environment}"',
        '".env"',
        "tests/unit/core/config/test_stages.py",
    ),
    Promise(
        "no error takes a secret along",
        "src/app/core/exceptions.py",
        '"details": redact(self.details)',
        '"details": dict(self.details)',
        "tests/unit/core/test_exceptions.py::test_to_dict_redacts_secrets",
    ),
    Promise(
        "a part that hangs does not hang its health check",
        "src/app/core/health.py",
        "asyncio.timeout(check.timeout_seconds)",
        "asyncio.timeout(5 + check.timeout_seconds)",
        "tests/integration/api/test_health.py",
    ),
    Promise(
        "without a required part nothing is ready",
        "src/app/core/health.py",
        "if any(component.required for component in failed)",
        "if all(component.required for component in failed)",
        "tests/integration/api/test_health.py",
    ),
    Promise(
        "what imports make is never searched for garbage",
        "src/app/asgi.py",
        "    gc.freeze()\n",
        "",
        "tests/integration/cli/test_garbage_collection.py",
    ),
    Promise(
        "no line waits for a loop that was stopped",
        "src/app/core/logging.py",
        "        asyncio.get_running_loop().call_soon(flush_lines)\n",
        "        loop = asyncio.get_running_loop()\n"
        "        if len(_waiting) == 1:\n"
        "            loop.call_soon(flush_lines)\n",
        "tests/unit/core/test_logging.py",
    ),
)
