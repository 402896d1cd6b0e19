"""Promises about Redis: while it answers, and while it does not."""

from __future__ import annotations

from tests.promises.promise import Promise

REDIS = (
    Promise(
        "a server that hangs is waited for within the timeout",
        "src/app/core/redis/connection.py",
        "            async with asyncio.timeout(self._timeout_seconds):\n                answer =",
        "            async with asyncio.timeout(self._timeout_seconds * 5):\n"
        "                answer =",
        "tests/unit/core/redis/test_faults.py::test_hung_it_costs_one_timeout_and_then_nothing",
    ),
    Promise(
        "a server that is away is left alone",
        "src/app/core/redis/breaker.py",
        "if at_once or self._in_a_row >= self._limit or self.state is not BreakerState.CLOSED:",
        "if self._limit < 0:",
        "tests/unit/core/redis/test_faults.py::test_refused_it_fails_at_once_and_is_back_by_itself",
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
        "        self._missed.update(keys)\n",
        "",
        "tests/unit/core/redis/test_outstanding.py"
        "::test_a_change_that_was_missed_is_made_up_for_before_anything_is_read",
    ),
    Promise(
        "under load an outage ends",
        "src/app/core/redis/connection.py",
        "self.breaker.check(change=command[0] in _CHANGES)",
        "self.breaker.check()",
        "tests/unit/core/redis/test_faults.py"
        "::test_a_restart_in_the_middle_of_many_calls_costs_values_and_no_errors",
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
        "return await self._fallback.hit(key, rate)",
        "return 0.0",
        "tests/unit/core/redis/test_rate_limits.py::test_without_redis_this_process_counts",
    ),
    Promise(
        "a server that hung uses up no allowance",
        "src/app/core/redis/rate_limits.py",
        "redis.before_return(self._settle)",
        "",
        "tests/unit/core/redis/test_rate_limits.py"
        "::test_hit_of_a_server_that_hangs_uses_up_nothing_once_it_is_back",
    ),
    Promise(
        "a logout in one process is one in all",
        "src/app/core/redis/revocations.py",
        "self._revoked.learn(*session_ids)",
        "pass",
        "tests/unit/core/redis/test_revocations.py"
        "::test_a_session_that_ends_in_one_process_ends_in_all_at_once",
    ),
)
