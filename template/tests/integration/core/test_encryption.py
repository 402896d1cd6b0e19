"""DATABASE_SSL_MODE: a connection is encrypted, or refused, by the requests' engine and the migrations' alike."""

from collections.abc import Awaitable, Callable

import anyio.to_thread
import pytest
from pydantic import SecretStr

from app.cli import migrations
from app.core.config import DatabaseSettings
from app.core.database import Database
from app.core.database.errors import explain
from app.core.exceptions import DatabaseConnectionError
from tests.integration.core.listeners import SSL_REQUEST, listener

pytestmark = pytest.mark.anyio


async def by_the_engine(settings: DatabaseSettings) -> None:
    database = Database(settings)
    try:
        async with database.engine.connect():
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

    assert ("encryption" in explain(caught.value)[0]) is (goes_on == 0)
    assert received.count(SSL_REQUEST) == asks
    assert sum(b"user\0u\0" in message for message in received) == goes_on


async def test_migration_engine_waits_for_a_silent_server_no_longer_than_requests_do() -> None:
    with listener(lambda _message: b"") as (port, _received):
        settings = DatabaseSettings(url=SecretStr(f"postgresql://u@127.0.0.1:{port}/app"), connect_timeout_seconds=0.2)

        with anyio.fail_after(3), pytest.raises(DatabaseConnectionError):
            await by_the_migrations(settings)
