"""Databases with TimescaleDB, or with what stands in for it."""

import asyncio
from collections.abc import Iterator

import pytest

from app.core.config.database import DatabaseSettings
from tests.databases import DatabaseServer
from tests.factories import make_settings
from tests.hypertables import find_reason_against, install_stand_in, pretended_extension


@pytest.fixture(scope="session")
def reason_against(server: DatabaseServer) -> str | None:
    """The reason against using the test server with TimescaleDB; None when there is none."""
    return asyncio.run(find_reason_against(server))


@pytest.fixture
def real_url(reason_against: str | None, scratch_url: str) -> str:
    """A database of a server that has the real one, migrated; the extension is not created yet."""
    if reason_against:
        pytest.skip(reason_against)
    return scratch_url


@pytest.fixture
def stand_in_url(scratch_url: str) -> Iterator[str]:
    """A database of any server, migrated, in which something answers as TimescaleDB would."""
    asyncio.run(install_stand_in(scratch_url))
    with pretended_extension():
        yield scratch_url


@pytest.fixture(params=["stand-in", "real"])
def either_url(request: pytest.FixtureRequest) -> str:
    """First the one, then the other: what holds for the real one must hold for what stands in for it."""
    url: str = request.getfixturevalue("stand_in_url" if request.param == "stand-in" else "real_url")
    return url


def database_of(url: str) -> DatabaseSettings:
    return make_settings(database_url=url).database
