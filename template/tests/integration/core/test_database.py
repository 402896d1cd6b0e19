"""Database on a real server: its limits, its errors, and its sessions for reading."""

import asyncio
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.database import (
    Database,
    WriteSession,
    get_connection_info,
    get_database,
    has_extension,
)
from app.core.exceptions import (
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
)
from app.core.uow import atomic
from tests.integration.core.conftest import shown

pytestmark = pytest.mark.anyio


async def test_session_has_the_limits_of_the_settings(open_database: Callable[..., Database]) -> None:
    database = open_database(
        statement_timeout_seconds=1.5, lock_timeout_seconds=0.25, idle_in_transaction_timeout_seconds=7
    )

    assert {
        name: await shown(database, name)
        for name in (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "timezone",
            "jit",
            "application_name",
        )
    } == {
        "statement_timeout": "1500ms",
        "lock_timeout": "250ms",
        "idle_in_transaction_session_timeout": "7s",
        "timezone": "UTC",
        "jit": "off",
        "application_name": "limits",
    }


async def test_session_ends_a_statement_that_takes_too_long(open_database: Callable[..., Database]) -> None:
    database = open_database(statement_timeout_seconds=0.05)

    async with database.read_session() as session:
        with pytest.raises(DatabaseTimeoutError) as caught:
            await session.execute(text("SELECT pg_sleep(10), 'Xq7planted'"))

    assert caught.value.error_code == "DATABASE_TIMEOUT"
    assert "planted" not in caught.value.message


async def test_session_ends_the_wait_for_a_lock(open_database: Callable[..., Database]) -> None:
    database = open_database(lock_timeout_seconds=0.05)

    async with database.session() as first, database.read_session() as second:
        await first.execute(text("SELECT pg_advisory_xact_lock(1)"))
        with pytest.raises(DatabaseTimeoutError):
            await second.execute(text("SELECT pg_advisory_xact_lock(1)"))


async def test_session_ends_a_transaction_in_which_nothing_happens(open_database: Callable[..., Database]) -> None:
    database = open_database(idle_in_transaction_timeout_seconds=0.05)

    async with database.read_session() as session:
        await session.execute(text("SELECT 1"))
        await asyncio.sleep(0.15)
        with pytest.raises((DatabaseConnectionError, DatabaseTimeoutError)):
            await session.execute(text("SELECT 1"))
    assert await shown(database, "timezone") == "UTC"


async def test_session_meets_a_column_s_new_type_without_an_error_on_every_connection(database: Database) -> None:
    async def read() -> object:
        async with database.read_session() as session:
            found = await session.scalar(text("SELECT number FROM numbers"))
            await asyncio.sleep(0.01)
            return found

    async def write() -> object:
        async with database.session() as session, atomic(session):
            found = await session.scalar(text("UPDATE numbers SET note = 'x' RETURNING number"))
            await asyncio.sleep(0.01)
            return found

    async def use_every_connection() -> list[object]:
        return [await asyncio.gather(*(use() for _ in range(5))) for use in (read, write)]

    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE numbers AS SELECT 1 AS number, '' AS note"))
    assert await use_every_connection() == [[1] * 5] * 2
    for name, value in (("bigint", 1), ("text", "1")):
        async with database.engine.begin() as connection:
            await connection.exec_driver_sql(f"ALTER TABLE numbers ALTER number TYPE {name}")
        assert await use_every_connection() == [[value] * 5] * 2


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT nonsense", DatabaseQueryError),
        ("SELECT 1 / 0", DatabaseQueryError),
        ("INSERT INTO doodles VALUES ('a'), ('a')", DatabaseIntegrityError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", DatabaseConnectionError),
    ],
)
async def test_session_raises_the_application_s_errors_without_the_inside(
    statement: str, error: type[DatabaseException], database: Database, session: WriteSession
) -> None:
    with pytest.raises(error) as caught:
        await session.execute(text(statement))

    assert caught.value.__cause__ is not None
    for inside in ("doodles", "nonsense", "SELECT", "asyncpg"):
        assert inside not in caught.value.message


async def test_session_raises_no_error_with_values(database: Database, session: WriteSession) -> None:
    with pytest.raises(DatabaseException) as caught:
        await session.execute(text("SELECT CAST(:value AS text) / 2"), {"value": "Xq7planted"})

    error: BaseException | None = caught.value
    while error is not None:
        assert "planted" not in str(error)
        error = error.__cause__


async def test_read_session_refuses_every_change(database: Database) -> None:
    for statement in ("INSERT INTO doodles VALUES ('a')", "CREATE TABLE others ()", "DELETE FROM doodles"):
        async with database.read_session() as session:
            with pytest.raises(DatabaseQueryError):
                await session.execute(text(statement))
    async with database.session() as session, atomic(session):
        await session.execute(text("INSERT INTO doodles VALUES ('a')"))
    async with database.read_session() as session:
        assert list(await session.scalars(text("SELECT word FROM doodles"))) == ["a"]


async def test_get_connection_info_holds_no_password(open_database: Callable[..., Database]) -> None:
    open_database(url=SecretStr("postgresql://app:Xq7planted@db.example.org:6543/mine?sslmode=require"))

    info = get_connection_info()

    assert info == ("db.example.org", 6543, "mine", "app", "require")
    assert "planted" not in f"{info} {get_database().engine!r} {get_database().engine.url}"


async def test_get_connection_info_has_a_socket_s_folder_for_its_host(open_database: Callable[..., Database]) -> None:
    open_database(url=SecretStr("postgresql://app@/mine?host=/run/postgresql"))

    assert get_connection_info().host == "/run/postgresql"


async def test_has_extension_asks_the_server_once(open_database: Callable[..., Database]) -> None:
    database = open_database()

    async with database.read_session() as session:
        assert await has_extension(session, "plpgsql")
        assert not await has_extension(session, "no_such_extension")
        await session.execute(text("SET LOCAL statement_timeout = 1"))
        assert database.extensions == {"plpgsql": True, "no_such_extension": False}
        assert await has_extension(session, "plpgsql")
