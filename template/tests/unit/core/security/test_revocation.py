"""`RevokedSessions`: a small copy, refreshed now and then, never waited for twice."""

import asyncio
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from app.core.exceptions import DatabaseConnectionError
from app.core.security import RevokedSessions

pytestmark = pytest.mark.anyio


class Source:
    """The sessions that some process has revoked, and the number of loads."""

    def __init__(self) -> None:
        self.revoked: set[UUID] = set()
        self.asked = 0
        self.away = False

    async def load(self) -> Iterable[UUID]:
        self.asked += 1
        revoked = set(self.revoked)
        await asyncio.sleep(0.01)
        if self.away:
            raise DatabaseConnectionError("The database cannot be reached.")
        return revoked


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that shifts the clock, which stands still otherwise."""
    now = 1000.0

    def shift(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("app.core.security.revocation.time", SimpleNamespace(monotonic=lambda: now))
    return shift


async def test_contains_knows_a_session_revoked_elsewhere_after_the_next_refresh(
    shift: Callable[[float], None],
) -> None:
    source, session_id = Source(), uuid4()
    sessions = RevokedSessions(source.load, limit_seconds=10)
    assert not await sessions.contains(session_id)

    source.revoked.add(session_id)

    assert not await sessions.contains(session_id)
    shift(5)
    assert await sessions.contains(session_id)


async def test_contains_asks_once_for_many_and_knows_a_session_that_is_revoked_here_meanwhile() -> None:
    source, session_id = Source(), uuid4()
    sessions = RevokedSessions(source.load, limit_seconds=120)
    refresh = asyncio.gather(*(sessions.contains(session_id) for _ in range(200)))
    await asyncio.sleep(0.005)

    # Committed before it is said here.
    source.revoked.add(session_id)
    sessions.add(session_id)

    assert all(await refresh)
    assert await sessions.contains(session_id)
    assert source.asked == 1


async def test_contains_believes_the_last_copy_up_to_its_limit_while_the_source_is_away(
    shift: Callable[[float], None],
) -> None:
    source, session_id = Source(), uuid4()
    source.revoked.add(session_id)
    sessions = RevokedSessions(source.load, limit_seconds=10)
    assert await sessions.contains(session_id)

    source.away = True
    for seconds in (8, 0.5):
        shift(seconds)
        assert await sessions.contains(session_id)
        assert not await sessions.contains(uuid4())
    assert source.asked == 2, "a source that is away is left alone for a while"
    for seconds in (1.5, 0.5):
        shift(seconds)
        with pytest.raises(DatabaseConnectionError):
            await sessions.contains(session_id)
    assert source.asked == 3
    source.away = False
    shift(0.5)
    assert await sessions.contains(session_id)
