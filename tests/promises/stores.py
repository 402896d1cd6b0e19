"""Promises of the cache and the secrets."""

from __future__ import annotations

from tests.promises.promise import Promise

STORES = (
    Promise(
        "concurrent misses on a key load once",
        "src/app/core/cache/single_flight.py",
        "while place in self._flights:",
        "while (loop, object()) in self._flights:",
        "tests/unit/core/cache/test_single_flight.py::test_a_thousand_misses_load_once",
    ),
    Promise(
        "a caller who is cancelled takes nobody along",
        "src/app/core/cache/single_flight.py",
        "            flight.cancel()\n",
        '            flight.done() or flight.set_exception(CacheException("gone"))\n',
        "tests/unit/core/cache/test_single_flight.py"
        "::test_when_the_first_caller_is_cancelled_the_others_get_a_value",
    ),
    Promise(
        "a load that began before a deletion is not kept",
        "src/app/core/cache/store.py",
        "elif cache.flights.leads(name):",
        "else:",
        "tests/unit/core/cache/test_single_flight.py"
        "::test_a_load_that_began_before_a_change_does_not_undo_it",
    ),
    Promise(
        "a cache that is away costs no request an error",
        "src/app/core/cache/store.py",
        "suppress(CacheUnavailableError)",
        "suppress(ConnectionError)",
        "tests/unit/core/cache/test_store.py"
        "::test_without_its_backend_everything_works_and_nothing_is_kept",
    ),
    Promise(
        "what JSON would change is not cached",
        "src/app/core/cache/codec.py",
        "same = bool(back == value)",
        "same = True",
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
        "src/app/core/cache/memory.py",
        "threading.RLock()",
        '__import__("contextlib").nullcontext()',
        "tests/unit/core/cache/test_ttl_cache.py"
        "::test_threads_break_neither_a_bound_nor_each_other",
    ),
    Promise(
        "a request never sees another's cache",
        "src/app/core/cache/decorators.py",
        "self.results: dict[Hashable, object] = {}",
        'self.results: dict[Hashable, object] = request_cached.__dict__.setdefault("shared", {})',
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
        'header + path.encode("ascii")',
        "header",
        "tests/integration/core/secrets/test_service.py"
        "::test_an_envelope_moved_to_another_row_is_refused",
    ),
    Promise(
        "the keys of secrets are derived once per process",
        "src/app/core/secrets/service.py",
        "Singleton(lambda: _make_keyring(keys))",
        "lambda: _make_keyring(keys)",
        "tests/unit/core/secrets/test_keyring.py::test_keys_are_derived_once_per_process",
    ),
    Promise(
        "a team's key comes before its organisation's",
        "src/app/core/secrets/service.py",
        "[team_id, None]",
        "[None, team_id]",
        "tests/integration/core/secrets/test_service.py::test_the_team_comes_before_the_organisation_and_that_before_the_installation",
    ),
    Promise(
        "a rotation overwrites nothing that is set meanwhile",
        "src/app/core/secrets/rotation.py",
        "        .with_for_update(skip_locked=True)\n",
        "",
        "tests/integration/core/secrets/test_rotation.py::test_a_value_set_in_the_middle_of_a_batch_wins",
    ),
    Promise(
        "a rotation that is killed has done what it did",
        "src/app/core/secrets/rotation.py",
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
)
