"""Promises of the cache and the secrets."""

from __future__ import annotations

from tests.promises.promise import Promise

STORES = (
    Promise(
        "concurrent misses on a key load once",
        "src/app/core/cache/memory.py",
        "while (flight := flights.get(key)) is not None:",
        "while (flight := flights.get(None)) is not None:",
        "tests/unit/core/cache/test_cache.py"
        "::test_get_or_set_loads_once_for_a_thousand_misses_and_for_each_key",
    ),
    Promise(
        "a caller who is cancelled cancels no other caller",
        "src/app/core/cache/memory.py",
        "        flight.cancel()  # ",
        '        flight.done() or flight.set_exception(ValueError("gone"))  # ',
        "tests/unit/core/cache/test_cache.py"
        "::test_get_or_set_whose_caller_is_cancelled_takes_no_other_along",
    ),
    Promise(
        "a load that began before a deletion is not kept",
        "src/app/core/cache/__init__.py",
        "if cache.flights.get(name) is flight:",
        "if True:",
        "tests/unit/core/cache/test_cache.py"
        "::test_get_or_set_does_not_undo_a_change_that_came_after_it_began",
    ),
    Promise(
        "a cache that is away costs no request an error",
        "src/app/core/cache/__init__.py",
        "suppress(CacheUnavailableError)",
        "suppress(ConnectionError)",
        "tests/unit/core/cache/test_cache.py"
        "::test_without_its_backend_every_call_works_and_nothing_is_kept",
    ),
    Promise(
        "what JSON would change is not cached",
        "src/app/core/cache/__init__.py",
        "if _decode(data, model) == value:",
        "if data:",
        "tests/unit/core/cache/test_cache.py"
        "::test_set_refuses_what_would_not_come_back_without_showing_it",
    ),
    Promise(
        "different arguments have different cache keys",
        "src/app/core/cache/__init__.py",
        '":".join(map(repr, parts))',
        '":".join(map(str, parts))',
        "tests/unit/core/cache/test_cache.py::test_cached_has_different_keys_for_different_arguments",
    ),
    Promise(
        "threads share a TTLCache unharmed",
        "src/app/core/cache/memory.py",
        "threading.RLock()",
        '__import__("contextlib").nullcontext()',
        "tests/unit/core/cache/test_memory_threads.py::test_ttl_cache_is_unharmed_by_threads",
    ),
    Promise(
        "a request never sees another's cache",
        "src/app/core/cache/memory.py",
        "self.results = {}",
        'self.results = request_cached.__dict__.setdefault("shared", {})',
        "tests/unit/core/cache/test_memory.py"
        "::test_request_cached_never_shows_one_of_200_requests_the_cache_of_another",
    ),
    Promise(
        "passwords are hashed in threads of their own",
        "src/app/core/security/passwords.py",
        "run_in_executor(self._threads, ",
        "run_in_executor(None, ",
        "tests/unit/core/security/test_passwords.py::test_hash_runs_two_at_a_time_in_threads_of_its_own",
    ),
    Promise(
        "a secret opens in its own row alone",
        "src/app/core/secrets.py",
        'header + path.encode("ascii")',
        "header",
        "tests/integration/core/secrets/test_service.py"
        "::test_an_envelope_moved_to_another_row_is_refused",
    ),
    Promise(
        "the keys of secrets are derived once per process",
        "src/app/core/secrets.py",
        "Singleton(lambda: KeyRing(keys))",
        "lambda: KeyRing(keys)",
        "tests/unit/core/test_secrets.py::test_keys_are_derived_once_per_process",
    ),
    Promise(
        "a team's key comes before its organisation's",
        "src/app/core/secrets.py",
        "[team_id, None]",
        "[None, team_id]",
        "tests/integration/core/secrets/test_service.py::test_the_team_comes_before_the_organisation_and_that_before_the_installation",
    ),
    Promise(
        "a rotation overwrites nothing that is set meanwhile",
        "src/app/core/secrets.py",
        "\n    .with_for_update(skip_locked=True),",
        ",",
        "tests/integration/core/secrets/test_rotation.py::test_a_value_set_in_the_middle_of_a_batch_wins",
    ),
    Promise(
        "a rotation that is killed has done what it did",
        "src/app/core/secrets.py",
        "limit=batch_size)",
        "limit=1_000_000)",
        "tests/integration/cli/test_kills.py::test_secrets_rotate_that_is_killed_loses_nothing_and_is_resumed",
    ),
    Promise(
        "no local variable holds a secret in the clear",
        "src/app/core/secrets.py",
        "        if not _VALUE.fullmatch(value.get_secret_value()):\n",
        "        if not (_VALUE.fullmatch(plain := value.get_secret_value())):\n",
        "tests/integration/core/secrets/test_no_leak.py::test_no_failure_shows_it",
    ),
)
