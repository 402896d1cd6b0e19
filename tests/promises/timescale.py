"""Promises of hypertables and measurements."""

from __future__ import annotations

from tests.promises.promise import Promise

SETUP = "tests/integration/core/timescale/test_setup.py"
INGEST = "tests/integration/api/measurements/test_measurements_ingest.py"
QUERIES = "tests/integration/api/measurements/test_measurements_queries.py"

TIMESCALE = (
    Promise(
        "hypertables come before policies",
        "src/app/core/timescale/hypertables.py",
        "*await create_hypertables(session, hypertables,",
        "*await create_hypertables(session, [],",
        SETUP,
    ),
    Promise(
        "setting up again touches nothing",
        "src/app/core/timescale/hypertables.py",
        "    if current == after:\n        return []\n",
        "",
        SETUP,
    ),
    Promise(
        "a policy whose setting has changed is replaced",
        "src/app/core/timescale/hypertables.py",
        "    if current == after:\n",
        "    if current is not None and after is not None:\n",
        SETUP,
    ),
    Promise(
        "nothing is created on a server that would break the connection",
        "src/app/core/timescale/extension.py",
        "if not self.loaded:",
        "if False:",
        "tests/unit/core/test_timescale_extension.py",
    ),
    Promise(
        "policies that cannot be had are not left out in silence",
        "src/app/core/timescale/extension.py",
        '        raise ConfigurationError(\n            f"TimescaleDB could not',
        '        return\n        raise ConfigurationError(\n            f"TimescaleDB could not',
        "tests/integration/core/timescale/test_faults.py",
    ),
    Promise(
        "a machine without production's settings takes no policy away",
        "src/app/core/timescale/hypertables.py",
        'if "drop_after_days" not in settings.model_fields_set:',
        "if False:",
        SETUP,
    ),
    Promise(
        "nothing is written to a hypertable whose extension is not loaded",
        "src/app/core/timescale/writing.py",
        "        if found.created:\n",
        "        if found.created and False:\n",
        "tests/integration/core/timescale/test_traffic.py",
    ),
    Promise(
        "callers make a bounded number of chunks",
        "src/app/services/measurements.py",
        "if first < now - (age := get_accepted_age()):",
        "if first < now - 10 * (age := get_accepted_age()):",
        INGEST,
    ),
    Promise(
        "a batch that the server gives up in a deadlock is stored all the same",
        "src/app/services/measurements.py",
        "_ATTEMPTS: Final = 5",
        "_ATTEMPTS: Final = 1",
        "tests/integration/api/measurements/test_measurements_concurrency.py",
    ),
    Promise(
        "a batch sent again is stored once",
        "src/app/services/measurements.py",
        "    except DatabaseIntegrityError:\n",
        "    except ZeroDivisionError:\n",
        INGEST,
    ),
    Promise(
        "the same measurements sent at once cause no deadlock",
        "src/app/services/measurements.py",
        "    rows.sort(key=itemgetter(1, 0))\n",
        "",
        INGEST,
    ),
    Promise(
        "measurements of the future are refused",
        "src/app/services/measurements.py",
        "if last > now + MAX_AHEAD:",
        "if last > now + MAX_SPAN:",
        INGEST,
    ),
    Promise(
        "a user reads no other user's series",
        "src/app/repositories/measurements.py",
        '_OWN_SERIES = MeasurementSeries.owner_id == bindparam("owner_id")',
        '_OWN_SERIES = bindparam("owner_id", type_=Uuid).is_not(None)',
        QUERIES,
    ),
)
