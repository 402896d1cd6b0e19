"""What may be wrong with the server's TimescaleDB: a sentence each, with the next step."""

from typing import Final

from sqlalchemy.exc import DBAPIError

from app.core.exceptions import ConfigurationError

# Columnstore names in place of compression, and `by_range` (2.13). Older ones are not tested.
OLDEST: Final = (2, 18)
_OLDEST: Final = ".".join(map(str, OLDEST))

# SQLSTATE codes, PostgreSQL documentation, appendix A.
_INSUFFICIENT_PRIVILEGE: Final = "42501"
_FEATURE_NOT_SUPPORTED: Final = "0A000"
_TIMEOUTS: Final = {"55P03": "TIMESCALE_LOCK_TIMEOUT_SECONDS", "57014": "TIMESCALE_STATEMENT_TIMEOUT_SECONDS"}


def missing() -> ConfigurationError:
    """The server does not have the extension's files."""
    return ConfigurationError(
        "The database server has no TimescaleDB.",
        next_step="Install it there, name a server that has it, or set TIMESCALE_ENABLED=false to use plain tables.",
    )


def not_preloaded() -> ConfigurationError:
    """The server has the files and has not loaded them; creating the extension would kill the connection."""
    return ConfigurationError(
        "The database server has TimescaleDB, but does not load it when it starts.",
        next_step="Add timescaledb to shared_preload_libraries in its postgresql.conf, and restart it.",
    )


def too_old(version: str) -> ConfigurationError:
    """The extension is older than what this application is written for."""
    return ConfigurationError(
        f"TimescaleDB {version} is older than {_OLDEST}, which this application needs.",
        next_step="Install a newer one, restart the server, and run ALTER EXTENSION timescaledb UPDATE as the first "
        "statement of a new session.",
    )


def not_created() -> ConfigurationError:
    """The server could have it, this database does not."""
    return ConfigurationError(
        "This database has no TimescaleDB, though its server does.", next_step="Run `app db upgrade`, which creates it."
    )


def not_allowed_to_create() -> ConfigurationError:
    """The role may not create extensions here."""
    return ConfigurationError(
        "The database role may not create the extension timescaledb.",
        next_step="Have the database's owner run CREATE EXTENSION timescaledb in it, once; then repeat this.",
    )


def without_policies() -> ConfigurationError:
    """Under the Apache licence there are hypertables, and neither columnstore nor policies.

    What the settings ask for is not left out in silence: somebody may count on old rows being deleted.
    """
    return ConfigurationError(
        "The server's TimescaleDB is the Apache edition, which has no columnstore and deletes nothing by itself.",
        next_step="Set TIMESCALE_COMPRESS_AFTER_DAYS=0 and TIMESCALE_DROP_AFTER_DAYS=0, or run the Community edition "
        "with timescaledb.license = 'timescale'.",
    )


def refused(error: DBAPIError) -> ConfigurationError:
    """The server refused a statement of setting up; nothing of that step was done."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    # The first line is the server's sentence; the next ones may hold data.
    reason = str((error.orig and error.orig.__cause__) or error.orig).partition("\n")[0]
    if state == _INSUFFICIENT_PRIVILEGE:
        return ConfigurationError(
            f"The database role may not set up TimescaleDB: {reason}.",
            next_step="Run this as the role that owns the tables.",
        )
    if state == _FEATURE_NOT_SUPPORTED:
        return ConfigurationError(
            f"The server's TimescaleDB cannot do that: {reason}.",
            next_step="Run the Community edition, or change what is declared of the hypertable.",
        )
    if state in _TIMEOUTS:
        return ConfigurationError(
            f"Setting up TimescaleDB took too long: {reason}.",
            next_step=f"Repeat it when there is less to do, or raise {_TIMEOUTS[state]}.",
        )
    return ConfigurationError(
        f"TimescaleDB could not be set up: {reason}.",
        next_step="Nothing of this step was applied: remove the cause and run `app db upgrade` again.",
    )
