"""Promises about Redis: while it answers, and while it does not."""

from __future__ import annotations

from tests.promises.promise import Promise

REDIS = (
    Promise(
        "a server that hangs is waited for within the timeout",
        "src/app/core/redis/connection.py",
        "asyncio.timeout(self._timeout_seconds)",
        "asyncio.timeout(self._timeout_seconds * 5)",
        "tests/unit/core/redis/test_faults.py::test_hung_it_costs_one_timeout_and_then_nothing",
    ),
    Promise(
        "a server that is away is left alone",
        "src/app/core/redis/connection.py",
        "self._next_try = time.monotonic() + self._retry_seconds\n            raise\n",
        "raise\n",
        "tests/unit/core/redis/test_faults.py::test_hung_it_costs_one_timeout_and_then_nothing",
    ),
    Promise(
        "a frozen server costs no request its answer",
        "src/app/core/redis/cache_backend.py",
        "        except RedisUnavailableError as err:\n"
        '            raise CacheUnavailableError("Redis did not answer.") from err',
        "        except ZeroDivisionError as err:\n"
        '            raise CacheUnavailableError("Redis did not answer.") from err',
        "tests/integration/redis/test_application.py::test_frozen_in_mid_load_it_costs_no_request"
        "_an_answer_and_the_99th_percentile_at_most_the_timeout",
    ),
    Promise(
        "what was deleted during an outage does not come back with its end",
        "src/app/core/redis/cache_backend.py",
        "            self._missed += 1\n",
        "",
        "tests/unit/core/redis/test_outstanding.py"
        "::test_a_change_that_was_missed_empties_the_cache_before_anything_is_read",
    ),
    Promise(
        "clearing a cache leaves other applications' keys alone",
        "src/app/core/redis/cache_backend.py",
        'pattern = prefix.translate(_SPECIAL) + "*"',
        'pattern = "*"',
        "tests/unit/core/redis/test_cache_contract.py::test_clearing_stays_inside_its_prefix",
    ),
    Promise(
        "without Redis each process limits by itself",
        "src/app/core/redis/rate_limits.py",
        "return await super().hit(key, rate)",
        "return 0.0",
        "tests/unit/core/redis/test_rate_limits.py::test_without_redis_this_process_counts",
    ),
)
