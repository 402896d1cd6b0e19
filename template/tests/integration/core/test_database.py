"""Database on a real server: the limits, errors and refusals of each way to run a statement."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.database import Database, Statement, get_async_session, get_connection_info, get_database
from app.core.exceptions import (
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
)
from app.core.uow import atomic
from tests.integration.core.conftest import shown
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

Way = Callable[[Database, str], Awaitable[object]]


async def read(database: Database, statement: str) -> object:
    return await database.reader.one_or_none(Statement(text(statement), object))


async def write(_database: Database, statement: str) -> object:
    async with get_async_session() as session, atomic(session):
        return await session.one_or_none(Statement(text(statement), object))


async def use_orm(_database: Database, statement: str) -> object:
    async with get_async_session() as session, atomic(session):
        return (await (await session.orm()).execute(text(statement))).scalar()


EACH_WAY = pytest.mark.parametrize("way", [read, write, use_orm])


async def test_every_transaction_has_the_limits_of_the_settings(open_database: Callable[..., Database]) -> None:
    database = open_database(
        statement_timeout_seconds=1.5, lock_timeout_seconds=0.25, idle_in_transaction_timeout_seconds=7
    )
    limits = {
        "statement_timeout": "1500ms",
        "lock_timeout": "250ms",
        "idle_in_transaction_session_timeout": "7s",
        "timezone": "UTC",
        "jit": "off",
        "application_name": "limits",
    }

    assert {name: await shown(name) for name in limits} == limits
    assert {name: await read(database, f"SHOW {name}") for name in limits} == limits


@EACH_WAY
async def test_a_statement_that_takes_too_long_is_ended(way: Way, open_database: Callable[..., Database]) -> None:
    database = open_database(statement_timeout_seconds=0.05)

    with pytest.raises(DatabaseTimeoutError) as caught:
        await way(database, "SELECT pg_sleep(10), 'Xq7planted'")

    assert caught.value.error_code == "DATABASE_TIMEOUT"
    assert "planted" not in caught.value.message
    assert await way(database, "SELECT 1") == 1


@EACH_WAY
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT nonsense", DatabaseQueryError),
        ("SELECT 1 / 0", DatabaseQueryError),
        ("SELECT CAST('Xq7planted' AS text) / 2", DatabaseQueryError),
        ("INSERT INTO doodles VALUES ('a'), ('a')", DatabaseIntegrityError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", DatabaseConnectionError),
    ],
)
async def test_errors_are_the_application_s_without_the_inside(
    statement: str, error: type[DatabaseException], way: Way, database: Database
) -> None:
    with pytest.raises(error if way is not read or "INSERT" not in statement else DatabaseQueryError) as caught:
        await way(database, statement)

    for inside in ("doodles", "nonsense", "SELECT", "asyncpg", "planted"):
        assert inside not in caught.value.message
    assert caught.value.__cause__ is not None
    assert await way(database, "SELECT 1") == 1


async def test_values_are_in_no_error(database: Database) -> None:
    statement = Statement(text("SELECT CAST(:value AS text) / 2"), str)

    async with get_async_session() as session:
        for each in (database.reader, session):
            with pytest.raises(DatabaseException) as caught:
                await each.one(statement, value="Xq7planted")
            error: BaseException | None = caught.value
            while error is not None:
                assert "planted" not in str(error)
                error = error.__cause__
        await session.rollback()


async def test_reader_refuses_every_change(database: Database) -> None:
    for statement in ("INSERT INTO doodles VALUES ('a')", "CREATE TABLE others ()", "DELETE FROM doodles"):
        with pytest.raises(DatabaseQueryError):
            await read(database, statement)
    await write(database, "INSERT INTO doodles VALUES ('a')")
    assert await read(database, "SELECT word FROM doodles") == "a"


@EACH_WAY
async def test_connections_that_the_server_has_closed_are_replaced_unnoticed(way: Way, database: Database) -> None:
    async def use() -> object:
        return await way(database, "SELECT pg_sleep(0.01)::text")

    await asyncio.gather(*(use() for _ in range(5)))
    async with database.probes.connect() as connection:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        await connection.execute(text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}"))
    # One look at the network, as any process has had by the time of its next request.
    await asyncio.sleep(0.01)

    assert await asyncio.gather(*(use() for _ in range(5))) == [""] * 5


@pytest.mark.parametrize("way", [read, write])
async def test_a_column_s_new_type_fails_no_statement_on_any_connection(way: Way, database: Database) -> None:
    statement = "UPDATE numbers SET note = 'x' RETURNING number" if way is write else "SELECT number FROM numbers"

    async def use() -> object:
        found = await way(database, statement)
        await asyncio.sleep(0.01)
        return found

    async with database.writing.engine.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS numbers"))
        await connection.execute(text("CREATE TABLE numbers AS SELECT 1 AS number, '' AS note"))
    assert await asyncio.gather(*(use() for _ in range(5))) == [1] * 5
    for name, value in (("bigint", 1), ("text", "1")):
        async with database.writing.engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE numbers ALTER number TYPE {name}")
        assert await asyncio.gather(*(use() for _ in range(5))) == [value] * 5


@EACH_WAY
async def test_statements_are_logged_and_slow_ones_are_warnings(
    way: Way, open_database: Callable[..., Database]
) -> None:
    database = open_database(slow_statement_seconds=0.2)
    slow, quick = "SELECT 'Xq7' FROM pg_sleep(0.25)", "SELECT 'quick'"

    with captured_log(level="DEBUG") as log:
        await way(database, slow)
        await way(database, quick)
    with captured_log() as without:
        await way(database, quick)

    lines = {line["statement"]: line for line in log.events("query")}
    assert (lines[slow]["level"], lines[slow]["rows"]) == ("warning", 1)
    assert lines[slow]["duration_ms"] >= 250
    assert lines[quick]["level"] == "debug"
    assert without.events("query") == []


@pytest.mark.parametrize("place", ["app:{}@db.example.org:6543/mine", "app:{}@/mine?host=%2Frun%2Fpostgresql"])
async def test_get_connection_info_holds_no_password(place: str, open_database: Callable[..., Database]) -> None:
    open_database(url=SecretStr(f"postgresql://{place.format('Xq7planted')}"))

    assert get_connection_info() == f"postgresql+asyncpg://{place.format('***')}"
    assert "planted" not in f"{get_database().writing.engine!r} {get_database().writing.engine.url}"
