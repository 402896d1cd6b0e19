"""The engine's promises, asked of a real server: limits, the queue in front of the pool, and who may write."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.config import DatabaseSettings
from app.core.database import (
    Database,
    WriteSession,
    check_database_health,
    close_database,
    get_async_session,
    get_connection_info,
    get_database,
    get_database_stats,
    has_extension,
    init_database,
    lifecycle,
    test_database_connection,
)
from app.core.exceptions import (
    ConfigurationError,
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
)
from app.core.uow import atomic
from tests.integration.core.listeners import closed_port, listener

pytestmark = pytest.mark.anyio


@pytest.fixture
async def open_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Database]]:
    """Make the process's engine, with settings of the test's own."""
    monkeypatch.setattr(lifecycle, "_current", None)

    def open_with(**settings: Any) -> Database:
        return init_database(
            DatabaseSettings(**{"url": SecretStr(database_url), "pool_size": 2, **settings}), application_name="limits"
        )

    yield open_with
    await close_database()


async def shown(database: Database, name: str) -> str:
    async with database.session() as session:
        found = await session.scalar(text(f"SHOW {name}"))
    return str(found)


async def test_every_connection_carries_its_limits(open_database: Callable[..., Database]) -> None:
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


async def test_a_limit_of_zero_is_none(open_database: Callable[..., Database]) -> None:
    database = open_database(statement_timeout_seconds=0, lock_timeout_seconds=0, idle_in_transaction_timeout_seconds=0)

    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        assert await shown(database, name) == "0"


async def test_the_server_ends_a_statement_that_takes_too_long(open_database: Callable[..., Database]) -> None:
    database = open_database(statement_timeout_seconds=0.05)

    async with database.session() as session:
        with pytest.raises(DatabaseTimeoutError) as caught:
            await session.execute(text("SELECT pg_sleep(10), 'Xq7planted'"))

    assert caught.value.error_code == "DATABASE_TIMEOUT"
    assert "planted" not in caught.value.message


async def test_the_server_ends_the_wait_for_a_lock(open_database: Callable[..., Database]) -> None:
    database = open_database(lock_timeout_seconds=0.05)

    async with database.session() as first, database.session() as second:
        await first.execute(text("SELECT pg_advisory_xact_lock(1)"))
        with pytest.raises(DatabaseTimeoutError):
            await second.execute(text("SELECT pg_advisory_xact_lock(1)"))


async def test_the_server_ends_a_transaction_in_which_nothing_happens(open_database: Callable[..., Database]) -> None:
    database = open_database(idle_in_transaction_timeout_seconds=0.05)

    async with database.session() as session:
        await session.execute(text("SELECT 1"))
        await asyncio.sleep(0.15)
        with pytest.raises((DatabaseConnectionError, DatabaseTimeoutError)):
            await session.execute(text("SELECT 1"))
    assert await shown(database, "timezone") == "UTC"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT nonsense", DatabaseQueryError),
        ("SELECT 1 / 0", DatabaseQueryError),
        ("INSERT INTO notes VALUES ('a'), ('a')", DatabaseIntegrityError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", DatabaseConnectionError),
    ],
)
async def test_errors_of_the_driver_become_ours_without_the_inside(
    statement: str, error: type[DatabaseException], database: Database, session: WriteSession
) -> None:
    with pytest.raises(error) as caught:
        await session.execute(text(statement))

    assert caught.value.__cause__ is not None
    for inside in ("notes", "nonsense", "SELECT", "asyncpg"):
        assert inside not in caught.value.message


async def test_values_appear_in_no_error(database: Database, session: WriteSession) -> None:
    with pytest.raises(DatabaseException) as caught:
        await session.execute(text("SELECT CAST(:value AS text) / 2"), {"value": "Xq7planted"})

    error: BaseException | None = caught.value
    while error is not None:
        assert "planted" not in str(error)
        error = error.__cause__


async def test_a_session_for_reading_refuses_every_change(database: Database) -> None:
    for statement in ("INSERT INTO notes VALUES ('a')", "CREATE TABLE others ()", "DELETE FROM notes"):
        async with database.read_session() as session:
            with pytest.raises(DatabaseQueryError):
                await session.execute(text(statement))
    async with database.session() as session, atomic(session):
        await session.execute(text("INSERT INTO notes VALUES ('a')"))
    async with database.read_session() as session:
        assert list(await session.scalars(text("SELECT word FROM notes"))) == ["a"]


async def test_who_waits_too_long_for_a_connection_is_told_so(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=1, pool_timeout_seconds=0.05)

    async with database.session():
        began = time.monotonic()
        for way in (database.session, database.read_session):
            with pytest.raises(DatabaseConnectionError, match="busy"):
                async with way():
                    pass
        assert 0.1 <= time.monotonic() - began < 2
    assert await shown(database, "timezone") == "UTC"


async def test_connections_go_to_those_who_wait_in_their_order(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=2)
    served: list[int] = []

    async def ask(number: int) -> None:
        async with database.session() as session:
            served.append(number)
            await session.execute(text("SELECT pg_sleep(0.002)"))

    async with asyncio.timeout(10):
        await asyncio.gather(*map(ask, range(30)))

    assert served == list(range(30))
    assert get_database_stats().in_use == 0


async def test_overflow_is_opened_on_demand_and_closed_again(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=1, max_overflow=1, pool_timeout_seconds=0.05)

    async with database.engine.connect(), database.engine.connect():
        assert get_database_stats() == (1, 2, 0, 1)
        # Asking for health goes past the queue, and still ends as our error.
        with pytest.raises(DatabaseConnectionError):
            await test_database_connection()
        assert not (await check_database_health()).healthy
    assert get_database_stats() == (1, 0, 1, 0)


async def test_whoever_gives_up_waiting_leaves_the_queue(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=1)

    async def ask() -> str:
        return await shown(database, "timezone")

    async with database.session():
        waiting = [asyncio.create_task(ask()) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        await asyncio.wait([waiting[0]])
    async with asyncio.timeout(5):
        assert await waiting[1] == await waiting[2] == "UTC"


async def test_what_is_known_about_the_connection_holds_no_password(open_database: Callable[..., Database]) -> None:
    open_database(url=SecretStr("postgresql://app:Xq7planted@db.example.org:6543/mine?sslmode=require"))

    info = get_connection_info()

    assert info == ("db.example.org", 6543, "mine", "app", "require")
    assert "planted" not in f"{info} {get_database().engine!r} {get_database().engine.url}"


async def test_the_socket_s_folder_is_its_host(open_database: Callable[..., Database]) -> None:
    open_database(url=SecretStr("postgresql://app@/mine?host=/run/postgresql"))

    assert get_connection_info().host == "/run/postgresql"


async def test_health_is_a_round_trip(open_database: Callable[..., Database]) -> None:
    open_database()

    health = await check_database_health()

    assert health.healthy
    assert 0 < health.latency_ms < 5000


async def test_there_is_one_engine_at_a_time(open_database: Callable[..., Database]) -> None:
    for use in (get_database, get_database_stats, get_connection_info):
        with pytest.raises(ConfigurationError, match="not initialised"):
            use()
    first = open_database()
    assert get_database() is first
    with pytest.raises(ConfigurationError, match="already") as caught:
        open_database()
    assert caught.value.next_step
    assert get_database() is first
    async with get_async_session() as session:
        assert await session.scalar(text("SELECT 1")) == 1

    await close_database()
    with pytest.raises(ConfigurationError, match="not initialised"):
        get_database()
    await close_database()
    assert open_database() is not first


async def test_without_a_database_there_is_no_engine(open_database: Callable[..., Database]) -> None:
    with pytest.raises(ConfigurationError, match="No database is configured") as caught:
        open_database(url=None)

    assert caught.value.next_step


async def test_extensions_are_asked_for_once(open_database: Callable[..., Database]) -> None:
    database = open_database()

    async with database.read_session() as session:
        assert await has_extension(session, "plpgsql")
        assert not await has_extension(session, "no_such_extension")
        await session.execute(text("SET LOCAL statement_timeout = 1"))
        assert database.extensions == {"plpgsql": True, "no_such_extension": False}
        assert await has_extension(session, "plpgsql")


@pytest.mark.parametrize("reply", [b"", b"S", b"N", b"HTTP/1.1 400 Bad Request\r\n\r\n", None], ids=str)
async def test_a_server_that_is_none_is_said_to_be_away_and_soon(
    reply: bytes | None, open_database: Callable[..., Database]
) -> None:
    with listener(lambda _message: reply) as (port, _received):
        await expect_unreachable(open_database, f"postgresql://u:Xq7planted@127.0.0.1:{port}/app")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", f"{'x' * 64}.invalid"])
async def test_nobody_listening_is_said_to_be_so(host: str, open_database: Callable[..., Database]) -> None:
    with closed_port() as port:
        await expect_unreachable(open_database, f"postgresql://u:Xq7planted@{host}:{port}/app")


async def expect_unreachable(open_database: Callable[..., Database], url: str) -> None:
    database = open_database(url=SecretStr(url), connect_timeout_seconds=0.2)
    began = time.monotonic()

    async def ask() -> None:
        async with database.session() as session:
            await session.execute(text("SELECT 1"))

    for way in (ask, test_database_connection):
        with pytest.raises(DatabaseConnectionError) as caught:
            await way()
        assert "planted" not in caught.value.message
        assert "127.0.0.1" not in caught.value.message
    assert not (await check_database_health()).healthy
    assert time.monotonic() - began < 2
