"""Database that cannot be used, or not as DATABASE_SSL_MODE says: an error, soon, and the next step for its owner."""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from app.cli import migrations
from app.core.config.database import DatabaseSettings
from app.core.database import Database, check_database_health, get_async_session, test_database_connection
from app.core.database.errors import explain
from app.core.exceptions import DatabaseConnectionError
from tests.integration.core.listeners import SSL_REQUEST, closed_port, listener

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("reply", [b"", b"S", b"N", b"HTTP/1.1 400 Bad Request\r\n\r\n", None], ids=str)
async def test_session_soon_raises_for_a_server_that_is_no_postgresql(
    reply: bytes | None, open_database: Callable[..., Database]
) -> None:
    with listener(lambda _message: reply) as (port, _received):
        await expect_unreachable(open_database, f"postgresql://u:Xq7planted@127.0.0.1:{port}/app")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", f"{'x' * 64}.invalid"])
async def test_session_soon_raises_where_no_server_listens(host: str, open_database: Callable[..., Database]) -> None:
    with closed_port() as port:
        await expect_unreachable(open_database, f"postgresql://u:Xq7planted@{host}:{port}/app")


async def expect_unreachable(open_database: Callable[..., Database], url: str) -> None:
    open_database(url=SecretStr(url), connect_timeout_seconds=0.1)
    began = time.monotonic()

    async def ask() -> None:
        async with get_async_session() as session:
            await (await session.orm()).execute(text("SELECT 1"))

    for way in (ask, test_database_connection):
        with pytest.raises(DatabaseConnectionError) as caught:
            await way()
        assert "planted" not in caught.value.message
        assert "127.0.0.1" not in caught.value.message
    assert await check_database_health() is None
    assert time.monotonic() - began < 2


@pytest.fixture
async def crowded(database: Database) -> AsyncIterator[str]:
    """A user without a connection left. Users belong to the whole server, so the name is new and goes again."""
    name = f"crowded_{secrets.token_hex(4)}"
    async with database.writing.engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'Xq7planted' CONNECTION LIMIT 0"))
    yield name
    async with database.writing.engine.begin() as connection:
        await connection.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
def wrong_urls(database_url: str, crowded: str) -> dict[str, URL]:
    url = make_url(database_url)
    return {
        "database": url.set(database="no_such_database"),
        "user": url.set(username="no_such_user", password="Xq7planted"),
        "crowded": url.set(username=crowded, password="Xq7planted"),
    }


@pytest.mark.parametrize(
    ("wrong", "cause", "to_check"),
    [
        ("database", '"no_such_database" does not exist', "POSTGRES_DB"),
        ("user", '"no_such_user"', "POSTGRES_USER"),
        ("crowded", "too many connections for role", "DATABASE_POOL_SIZE"),
    ],
)
async def test_explain_names_the_cause_and_the_next_step(
    wrong: str, cause: str, to_check: str, wrong_urls: dict[str, URL], open_database: Callable[..., Database]
) -> None:
    open_database(url=SecretStr(wrong_urls[wrong].render_as_string(hide_password=False)))

    with pytest.raises(DatabaseConnectionError) as caught:
        await test_database_connection()

    sentence, next_step = explain(caught.value)
    assert cause in sentence
    assert to_check in next_step
    assert "planted" not in sentence + next_step
    assert caught.value.message == "The database cannot be reached."


async def by_the_engine(settings: DatabaseSettings) -> None:
    database = Database(settings)
    try:
        async with database.writing.engine.connect():
            pass
    finally:
        await database.close()


async def by_the_migrations(settings: DatabaseSettings) -> None:
    await anyio.to_thread.run_sync(migrations.state, settings)


@pytest.mark.parametrize("way", [by_the_engine, by_the_migrations])
@pytest.mark.parametrize(
    ("mode", "asks", "goes_on"),
    [("disable", 0, 1), ("prefer", 1, 1), ("require", 1, 0), ("verify-ca", 1, 0), ("verify-full", 1, 0)],
)
async def test_ssl_mode_keeps_names_from_a_server_without_encryption(
    way: Callable[[DatabaseSettings], Awaitable[None]], mode: str, asks: int, goes_on: int
) -> None:
    with listener(lambda message: b"N" if message == SSL_REQUEST else b"E\0\0\0\x05\0") as (port, received):
        url = f"postgresql://u:Xq7planted@127.0.0.1:{port}/app?sslmode={mode}"
        with pytest.raises(DatabaseConnectionError) as caught:
            await way(DatabaseSettings(url=SecretStr(url), connect_timeout_seconds=1))

    assert ("rejected SSL upgrade" in explain(caught.value)[0]) is (goes_on == 0)
    assert received.count(SSL_REQUEST) == asks
    assert sum(b"user\0u\0" in message for message in received) == goes_on


async def test_migration_engine_waits_for_a_silent_server_no_longer_than_requests_do() -> None:
    with listener(lambda _message: b"") as (port, _received):
        settings = DatabaseSettings(url=SecretStr(f"postgresql://u@127.0.0.1:{port}/app"), connect_timeout_seconds=0.2)

        with anyio.fail_after(3), pytest.raises(DatabaseConnectionError):
            await by_the_migrations(settings)
