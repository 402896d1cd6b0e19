"""TimescaleDB for tests: the real one where the test server has it, and a stand-in for what is asked of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.migrations import turn
from app.core.config.timescale import TimescaleSettings
from app.core.database import migration_engine
from app.core.exceptions import ConfigurationError
from app.core.timescale import extension, set_up_timescale
from app.models.domain import load_metadata
from tests.databases import DatabaseServer
from tests.factories import make_settings

NEEDED: Final = "needs a server with TimescaleDB, named in TEST_DATABASE_URL"

# What this application asks of the extension, and nothing more: catalogues that it reads, and calls that write them.
# The setting of a table's columns is there from the start, since no plain server knows how to alter that.
_STAND_IN: Final = """
CREATE SCHEMA timescaledb_information;
CREATE TABLE timescaledb_information.dimensions
    (hypertable_schema name, hypertable_name name, dimension_number int, time_interval interval);
CREATE TABLE timescaledb_information.jobs
    (job_id serial, proc_name name, hypertable_schema name, hypertable_name name, config jsonb);
CREATE TABLE timescaledb_information.job_stats (job_id int, last_run_status text);
CREATE TABLE timescaledb_information.hypertable_columnstore_settings
    (hypertable regclass, segmentby text, orderby text);
CREATE VIEW timescaledb_information.hypertables AS
    SELECT hypertable_schema, hypertable_name FROM timescaledb_information.dimensions;
CREATE TABLE calls (number serial, call text);
CREATE TYPE width_of AS (axis name, width interval);
CREATE FUNCTION by_range(axis name, width interval) RETURNS width_of LANGUAGE sql RETURN ROW(axis, width)::width_of;
CREATE FUNCTION create_hypertable(relation regclass, dimension width_of, create_default_indexes bool, migrate_data bool)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO calls (call) VALUES ('create_hypertable');
    INSERT INTO timescaledb_information.dimensions VALUES ('public', relation::text, 1, (dimension).width);
    INSERT INTO timescaledb_information.hypertable_columnstore_settings
        VALUES (relation, 'series_id', 'observed_at DESC');
$$;
CREATE FUNCTION set_chunk_time_interval(relation regclass, width interval) RETURNS void LANGUAGE sql AS $$
    INSERT INTO calls (call) VALUES ('set_chunk_time_interval');
    UPDATE timescaledb_information.dimensions SET time_interval = width;
$$;
CREATE PROCEDURE add_columnstore_policy(hypertable regclass, after interval) LANGUAGE sql AS $$
    INSERT INTO calls (call) VALUES ('add_columnstore_policy');
    INSERT INTO timescaledb_information.jobs (proc_name, hypertable_schema, hypertable_name, config)
        VALUES ('policy_compression', 'public', hypertable::text, jsonb_build_object('compress_after', after::text));
$$;
CREATE FUNCTION add_retention_policy(relation regclass, drop_after interval) RETURNS void LANGUAGE sql AS $$
    INSERT INTO calls (call) VALUES ('add_retention_policy');
    INSERT INTO timescaledb_information.jobs (proc_name, hypertable_schema, hypertable_name, config)
        VALUES ('policy_retention', 'public', relation::text, jsonb_build_object('drop_after', drop_after::text));
$$;
CREATE PROCEDURE remove_columnstore_policy(hypertable regclass) LANGUAGE sql AS $$
    INSERT INTO calls (call) VALUES ('remove_columnstore_policy');
    DELETE FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression';
$$;
CREATE FUNCTION remove_retention_policy(relation regclass) RETURNS void LANGUAGE sql AS $$
    INSERT INTO calls (call) VALUES ('remove_retention_policy');
    DELETE FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention';
$$;
"""


def enabled(**settings: float) -> TimescaleSettings:
    """Return settings of a project that uses TimescaleDB, and says when chunks are converted."""
    return TimescaleSettings.model_validate({"enabled": True, "compress_after_days": 7, **settings})


def unlimited_session(url: str) -> AsyncSession:
    """A session as migrations have it."""
    return AsyncSession(migration_engine(make_settings(database_url=url).database))


async def set_up(url: str, settings: TimescaleSettings, metadata: MetaData | None = None) -> list[str]:
    """Do as `app db upgrade` does after the migrations, and return what it did to the tables."""
    async with turn(make_settings(database_url=url).database) as connection:
        changes = await set_up_timescale(connection, settings, metadata or load_metadata())
    return [change for change in changes if not change.startswith("TimescaleDB ")]


async def find_reason_against(server: DatabaseServer) -> str | None:
    """Return the reason against using this server with TimescaleDB; None when there is none."""
    async with unlimited_session(server.address) as session:
        found = await extension.find_extension(session)
    try:
        found.require_usable()
    except ConfigurationError as error:
        return f"{NEEDED}: {error.message}"
    return None


@contextmanager
def pretended_extension(**state: object) -> Iterator[None]:
    """Have every database appear to have a TimescaleDB of this state."""
    facts = {"available": "2.28.3", "created": "2.28.3", "loaded": True, **state}
    columns = ", ".join(f"{_literal(value)} AS {name}" for name, value in facts.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extension, "_STATE", text(f"SELECT {columns}"))
        yield


async def install_stand_in(url: str) -> None:
    """Put the stand-in into a database."""
    async with unlimited_session(url) as session:
        connection = await (await session.connection()).get_raw_connection()
        assert connection.driver_connection is not None
        await connection.driver_connection.execute(_STAND_IN)


def _literal(value: object) -> str:
    return "NULL::text" if value is None else str(value).lower() if isinstance(value, bool) else f"'{value}'::text"
