"""`RevokedSessions`: a small copy, refreshed now and then, never waited for twice."""

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest

from app.core.exceptions import DatabaseConnectionError
from app.core.security import RevokedSessions, revocation

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


async def test_contains_knows_a_session_revoked_elsewhere_after_the_next_refresh() -> None:
    source, session_id = Source(), uuid4()
    sessions = RevokedSessions(source.load, refresh_seconds=0.05)
    assert not await sessions.contains(session_id)

    source.revoked.add(session_id)

    assert not await sessions.contains(session_id)
    await asyncio.sleep(0.06)
    assert await sessions.contains(session_id)


@pytest.mark.parametrize("when", ["before", "during"])
async def test_contains_knows_a_session_revoked_here_at_once_also_during_a_refresh(when: str) -> None:
    source, session_id = Source(), uuid4()
    sessions = RevokedSessions(source.load, refresh_seconds=60)
    if when == "during":
        refresh = asyncio.create_task(sessions.contains(session_id))
        await asyncio.sleep(0.005)

    # Committed before it is said here.
    source.revoked.add(session_id)
    sessions.add(session_id)

    assert when == "before" or await refresh
    assert await sessions.contains(session_id)


async def test_many_requests_ask_the_source_once() -> None:
    source = Source()
    sessions = RevokedSessions(source.load, refresh_seconds=60)

    await asyncio.gather(*(sessions.contains(uuid4()) for _ in range(200)))

    assert source.asked == 1


async def test_the_last_copy_stays_in_force_while_the_source_is_away() -> None:
    source, session_id = Source(), uuid4()
    source.revoked.add(session_id)
    sessions = RevokedSessions(source.load, refresh_seconds=0.01)
    assert await sessions.contains(session_id)

    source.away = True
    await asyncio.sleep(0.02)

    assert await sessions.contains(session_id)
    assert not await sessions.contains(uuid4())
    assert source.asked == 2, "a source that is away is left alone for a while"


async def test_a_copy_is_not_believed_beyond_its_limit_while_the_source_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revocation, "_RETRY_SECONDS", 0.01)
    source = Source()
    sessions = RevokedSessions(source.load, refresh_seconds=0.01, limit_seconds=0.05)
    source.away = True
    with pytest.raises(DatabaseConnectionError):
        await sessions.contains(uuid4())

    source.away = False
    await asyncio.sleep(0.02)
    assert not await sessions.contains(uuid4())
    source.away = True
    await asyncio.sleep(0.06)
    with pytest.raises(DatabaseConnectionError):
        await sessions.contains(uuid4())
