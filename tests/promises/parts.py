"""What the parts of the core keep, each for itself: from cache and events to settings."""

from __future__ import annotations

from tests.promises.promise import Promise

PARTS = (
    Promise(
        "a handler gets its events one at a time",
        "src/app/core/events/handler_queue.py",
        "if self.running is not None or not self._waiting",
        "if not self._waiting",
        "tests/unit/core/events/test_delivery.py",
    ),
    Promise(
        "a delivery sees nothing of another",
        "src/app/core/events/handler_queue.py",
        ", context=Context()",
        "",
        "tests/unit/core/events/test_isolation.py",
    ),
    Promise(
        "an event handler that hangs is cancelled",
        "src/app/core/events/delivery.py",
        "asyncio.timeout(timeout_seconds)",
        "asyncio.timeout(None)",
        "tests/unit/core/events/test_isolation.py",
    ),
    Promise(
        "event handlers do not wait for each other's queues",
        "src/app/core/events/bus.py",
        " and not inside and not queue.stalled",
        " and not queue.stalled",
        "tests/unit/core/events/test_chains.py",
    ),
    Promise(
        "event queues are bounded",
        "src/app/core/events/handler_queue.py",
        "if len(self._waiting) >= self._size",
        "if self._size < 0",
        "tests/unit/core/events/test_overflow.py",
    ),
    Promise(
        "what is published is delivered before the process ends",
        "src/app/core/events/bus.py",
        "await self._drain(drain_seconds)",
        "pass",
        "tests/unit/core/events/test_stopping.py",
    ),
    Promise(
        "requests share no breadcrumbs",
        "src/app/core/monitoring/facade.py",
        "default=None)",
        "default=_Scope({}))",
        "tests/unit/core/monitoring/test_monitor.py",
    ),
    Promise(
        "reports hold no secrets",
        "src/app/core/monitoring/facade.py",
        "Report(_redacted(context)",
        "Report(dict(context or {})",
        "tests/unit/core/monitoring/test_monitor.py",
    ),
    Promise(
        "a broken monitor fails nobody",
        "src/app/core/monitoring/facade.py",
        "except Exception as err:  # noqa: BLE001",
        "except GeneratorExit as err:  # noqa: BLE001",
        "tests/unit/core/monitoring/test_monitor.py",
    ),
    Promise(
        "concurrent misses on a key load once",
        "src/app/core/cache/single_flight.py",
        "while (flight := self._flights.get(place)) is not None:",
        "while (flight := self._flights.get((place[0], object()))) is not None:",
        "tests/unit/core/cache/test_single_flight.py::test_a_thousand_misses_load_once",
    ),
    Promise(
        "a caller who is cancelled takes nobody along",
        "src/app/core/cache/single_flight.py",
        "except Exception as err:",
        "except BaseException as err:",
        "tests/unit/core/cache/test_single_flight.py"
        "::test_when_the_first_caller_is_cancelled_the_others_get_a_value",
    ),
    Promise(
        "a load that began before a deletion is not kept",
        "src/app/core/cache/store.py",
        "elif self._flights.leads(name):",
        "else:",
        "tests/unit/core/cache/test_single_flight.py"
        "::test_a_load_that_began_before_a_change_does_not_undo_it",
    ),
    Promise(
        "a cache that is away costs no request an error",
        "src/app/core/cache/store.py",
        "except CacheUnavailableError as err:",
        "except ConnectionError as err:",
        "tests/unit/core/cache/test_store.py"
        "::test_without_its_backend_everything_works_and_nothing_is_kept",
    ),
    Promise(
        "what JSON would change is not cached",
        "src/app/core/cache/codec.py",
        "    _check(value, 0)\n",
        "",
        "tests/unit/core/cache/test_store.py"
        "::test_what_would_not_come_back_is_refused_without_being_shown",
    ),
    Promise(
        "different arguments have different cache keys",
        "src/app/core/cache/keys.py",
        'return quote(part, safe="", errors="surrogatepass")',
        "return part",
        "tests/unit/core/cache/test_cached.py::test_different_arguments_have_different_keys",
    ),
    Promise(
        "threads share a TTLCache unharmed",
        "src/app/core/cache/ttl_cache.py",
        "threading.RLock()",
        '__import__("contextlib").nullcontext()',
        "tests/unit/core/cache/test_ttl_cache.py"
        "::test_threads_hammering_it_never_break_a_bound_or_each_other",
    ),
    Promise(
        "a request never sees another's cache",
        "src/app/core/cache/request_scope.py",
        "self._values, self._flights = {}, SingleFlight()",
        'self._values = request_cached.__dict__.setdefault("shared", {})\n'
        "            self._flights = SingleFlight()",
        "tests/integration/api/test_request_cache.py"
        "::test_200_requests_at_the_same_time_never_see_each_others_cache",
    ),
    Promise(
        "a thread whose caller has gone keeps its place",
        "src/app/core/threads.py",
        "run_in_executor(limiter.threads, ",
        "run_in_executor(None, ",
        "tests/unit/core/test_threads.py"
        "::test_a_cancelled_caller_leaves_at_once_while_the_call_keeps_its_place",
    ),
    Promise(
        "a secret opens in its own row alone",
        "src/app/core/secrets/keyring.py",
        'header(key_id) + path.encode("ascii")',
        "header(key_id)",
        "tests/integration/core/secrets/test_service.py"
        "::test_an_envelope_moved_to_another_row_is_refused",
    ),
    Promise(
        "the keys of secrets are derived once per process",
        "src/app/core/secrets/lifecycle.py",
        "Singleton(lambda: make_keyring(settings))",
        "lambda: make_keyring(settings)",
        "tests/unit/core/secrets/test_keyring.py::test_keys_are_derived_once_per_process",
    ),
    Promise(
        "a team's key comes before its organisation's",
        "src/app/core/secrets/service.py",
        "[api_key_path(org_id, provider, team_id), organization]",
        "[organization, api_key_path(org_id, provider, team_id)]",
        "tests/integration/core/secrets/test_service.py::test_the_team_comes_before_the_organisation_and_that_before_the_installation",
    ),
    Promise(
        "a rotation overwrites nothing that is set meanwhile",
        "src/app/core/secrets/store.py",
        "        .with_for_update(skip_locked=True)\n",
        "",
        "tests/integration/core/secrets/test_rotation.py::test_a_value_set_in_the_middle_of_a_batch_wins",
    ),
    Promise(
        "a rotation that is killed has done what it did",
        "src/app/core/secrets/store.py",
        "        .limit(limit)\n        .with_for",
        "        .with_for",
        "tests/integration/cli/test_secrets_rotation.py::test_a_rotation_that_is_killed_loses_nothing_and_is_resumed",
    ),
    Promise(
        "no local variable holds a secret in the clear",
        "src/app/core/secrets/service.py",
        "        if not _storable(value):\n",
        "        plain = value.get_secret_value()\n        if not (plain and _storable(value)):\n",
        "tests/integration/core/secrets/test_no_leak.py::test_no_failure_shows_it",
    ),
    Promise(
        "a call ends in time however slowly the answer trickles in",
        "src/app/core/http/pool.py",
        "async with asyncio.timeout(request.timeout_seconds):",
        "async with asyncio.timeout(request.timeout_seconds + 2):",
        "tests/unit/core/http/test_faults.py",
    ),
    Promise(
        "what may have been done already is not repeated",
        "src/app/core/http/retry.py",
        "if attempt >= self.attempts or not (self.any_method or method in IDEMPOTENT):",
        "if attempt >= self.attempts:",
        "tests/unit/core/http/test_retry.py",
    ),
    Promise(
        "a redirect takes no credentials to another host",
        "src/app/core/http/pool.py",
        "headers=harmless, content=None",
        "headers=headers, content=None",
        "tests/unit/core/http/test_redirects.py",
    ),
    Promise(
        "no failure of a call shows what was sent",
        "src/app/core/http/failures.py",
        "        text = text.partition(mark)[0]",
        "        text = str(text)",
        "tests/unit/core/http/test_secrecy.py",
    ),
    Promise(
        "certificates are verified",
        "src/app/core/http/pool.py",
        "verify=make_tls_context(ca_file)",
        "verify=False",
        "tests/unit/core/http/test_tls.py",
    ),
    Promise(
        "all wrong settings are reported at once",
        "src/app/core/config/loading.py",
        "            found.extend(_problems_of(section, err))",
        "            raise _error(list(_problems_of(section, err)), env_file) from None",
        "tests/unit/core/config/test_loading.py",
    ),
    Promise(
        "no error of the settings shows a value",
        "src/app/core/config/loading.py",
        'else error["msg"].removeprefix("Value error, ")',
        "else f\"{error['msg']}: {os.environ.get(variable)}\"",
        "tests/unit/core/config/test_loading.py::test_no_value_is_ever_in_an_error",
    ),
    Promise(
        "settings of development do not reach production",
        "src/app/core/config/loading.py",
        'return ".env" if environment is Environment.DEVELOPMENT else f".env.{environment}"',
        'return ".env"',
        "tests/unit/core/config/test_stages.py",
    ),
    Promise(
        "no error takes a secret along",
        "src/app/core/exceptions/base.py",
        '"details": redact(self.details)',
        '"details": dict(self.details)',
        "tests/unit/core/test_exceptions.py::test_secrets_do_not_leave_with_an_error",
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
        "src/app/worker.py",
        "        gc.freeze()\n",
        "",
        "tests/integration/cli/test_worker.py",
    ),
)
