"""The base of every test: a real PostgreSQL, this application's migrations, and one transaction per test.

The process that starts the run brings a server up and migrates a template database, once. Each worker clones it, and
each test runs inside a transaction that is rolled back: what the application commits is a savepoint in there.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core import cache
from app.core.config import ApplicationSettings
from app.core.config.loading import known_variables
from app.core.database import Database, get_database
from app.main import create_app
from app.repositories.users import UserRow
from app.services.authentication import PASSWORD_COST
from tests.clients import make_client
from tests.databases import DatabaseServer, running_server
from tests.factories import make_settings, make_tokens, make_user
from tests.logs import Log, captured_log
from tests.turns import SharedConnection, using

# No test may depend on a developer's shell; what it needs of the environment, it sets.
_PROXIES = [name for name in os.environ if name.lower().endswith("_proxy")]
for _name in [*known_variables(), *_PROXIES]:
    os.environ.pop(_name, None)
# Passwords of tests need no protection, and real hashing would take most of the run.
PASSWORD_COST.update(time_cost=1, memory_kib=64)

_SERVER = pytest.StashKey[DatabaseServer]()


def pytest_configure(config: pytest.Config) -> None:
    """Bring the server up before any worker starts; a worker only learns where it is."""
    if hasattr(config, "workerinput"):
        config.stash[_SERVER] = DatabaseServer(**config.workerinput["server"])
        return
    resources = ExitStack()
    config.add_cleanup(resources.close)
    config.stash[_SERVER] = resources.enter_context(running_server())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: pytest.Item) -> None:
    """Tell a worker of pytest-xdist where the server is."""
    node.workerinput["server"] = node.config.stash[_SERVER]._asdict()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    return request.config.stash[_SERVER]


@pytest.fixture(scope="session")
def settings(server: DatabaseServer, worker_id: str) -> Iterator[ApplicationSettings]:
    """Settings with a database of this worker's own."""
    with server.clone(worker_id) as url:
        yield make_settings(database_url=url)


@pytest.fixture(scope="session")
async def app(settings: ApplicationSettings) -> AsyncIterator[FastAPI]:
    """The application, started once per worker."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def shared(app: FastAPI) -> AsyncIterator[SharedConnection]:
    shared = SharedConnection(get_database())
    yield shared
    await shared.close()


@pytest.fixture
async def transaction(shared: SharedConnection) -> AsyncIterator[AsyncConnection]:
    """The transaction this test runs in; sessions of the application join it, and it is rolled back at the end."""
    async with shared.transaction(get_database()) as connection:
        yield connection
    # What was cached came from rows that are gone now.
    await cache.clear()


@pytest.fixture
async def anonymous(app: FastAPI, transaction: AsyncConnection) -> AsyncIterator[AsyncClient]:
    """A client without credentials, whose changes vanish with the test."""
    async with make_client(app) as client:
        yield client


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of a test."""
    with captured_log() as log:
        yield log


@pytest.fixture(scope="session")
async def member(app: FastAPI) -> UserRow:
    """A user who is there in every test of this worker."""
    user, _ = await make_user()
    return user


@pytest.fixture
async def client(app: FastAPI, member: UserRow, transaction: AsyncConnection) -> AsyncIterator[AsyncClient]:
    """A client that is logged in, in a session of its own, whose changes vanish with the test."""
    async with make_client(app, make_tokens(member)) as client:
        yield client


@pytest.fixture
def scratch_url(server: DatabaseServer, worker_id: str) -> Iterator[str]:
    """A database for one test alone, for what a transaction that is never committed cannot show."""
    with server.clone(f"{worker_id}_scratch") as url:
        yield url


@pytest.fixture
async def scratch(settings: ApplicationSettings, scratch_url: str) -> AsyncIterator[AsyncEngine]:
    """The application on that database: what it commits here is committed."""
    database = Database(settings.with_database_url(scratch_url).database)
    with using(get_database(), database.writing, database.reading):
        yield database.writing.engine
    await database.close()


@pytest.fixture
async def scratch_client(app: FastAPI, scratch: AsyncEngine) -> AsyncIterator[AsyncClient]:
    """A client that is logged in, whose changes are committed, to a database that vanishes with the test."""
    _, tokens = await make_user()
    async with make_client(app, tokens) as client:
        yield client
