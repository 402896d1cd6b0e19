"""The promises of the rendered project's tests, each with a way to break it.

A promise is a file, a text in it, what to put there instead, and the test that must then fail. To
add one, add it to a table. `tests/test_promises.py` keeps them.
"""

from __future__ import annotations

from tests.promises.accounts import ACCOUNTS
from tests.promises.jobs import JOBS
from tests.promises.migrations import MIGRATIONS
from tests.promises.parts import PARTS
from tests.promises.payments import PAYMENTS
from tests.promises.promise import Promise
from tests.promises.redis import REDIS
from tests.promises.request import REQUEST
from tests.promises.rows import ROWS
from tests.promises.sentry import SENTRY
from tests.promises.stores import STORES
from tests.promises.telemetry import TELEMETRY
from tests.promises.timescale import TIMESCALE
from tests.promises.updates import UPDATES

PROMISES = (
    REQUEST
    + ROWS
    + ACCOUNTS
    + PARTS
    + STORES
    + MIGRATIONS
    + UPDATES
    + REDIS
    + SENTRY
    + PAYMENTS
    + TIMESCALE
    + JOBS
    + TELEMETRY
)

__all__ = ["PROMISES", "Promise"]
