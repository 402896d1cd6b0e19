"""A database of each module's own, where what is committed stays until the next test."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.config.database import DatabaseSettings
from app.core.database import Database, Statement, WriteSession, get_async_session
from app.core.process import open_process
from tests.applications import process_with
from tests.databases import DatabaseServer
from tests.factories import make_settings


@pytest.fixture(scope="module")
def database_url(server: DatabaseServer, worker_id: str, request: pytest.FixtureRequest) -> Iterator[str]:
    with server.clone(f"{worker_id}_{request.module.__name__.rpartition('.')[2]}") as url:
        yield url


@pytest.fixture(scope="module")
async def module_database(database_url: str) -> AsyncIterator[Database]:
    database = Database(make_settings(database_url=database_url).database, application_name="tests")
    async with database.writing.engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE doodles (word text CONSTRAINT uq_doodles_word UNIQUE DEFERRABLE INITIALLY IMMEDIATE)")
        )
    yield database
    await database.close()


@pytest.fixture
async def database(module_database: Database) -> AsyncIterator[Database]:
    """The module's database, as the process's, with an empty table of words, no word twice."""
    async with module_database.writing.engine.begin() as connection:
        await connection.execute(text("TRUNCATE doodles"))
    with process_with(module_database):
        yield module_database


@pytest.fixture
async def session(database: Database) -> AsyncIterator[WriteSession]:
    async with get_async_session() as session:
        yield session
        await session.rollback()


@pytest.fixture
async def open_database(database_url: str) -> AsyncIterator[Callable[..., Database]]:
    """Make the process's engine, with settings of the test's own."""
    async with open_process() as process:

        def open_with(**settings: Any) -> Database:
            database = Database(
                DatabaseSettings(**{"url": SecretStr(database_url), "pool_size": 2, **settings}),
                application_name="limits",
            )
            return process.add(database, close=database.close)

        yield open_with


async def shown(name: str) -> str:
    """The value of one of the server's settings, for a session of this engine."""
    async with get_async_session() as session:
        return await session.one(Statement(text(f"SHOW {name}"), str))
