"""Ended sessions: told to all processes at once, and learnt from the database when there is no way to tell."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from app.core.redis import open_redis, revocations
from app.core.security import RevokedSessions
from tests.logs import Log
from tests.servers.redis import RedisServer
from tests.unit.core.security.test_revocation import Source

pytestmark = pytest.mark.anyio

Join = Callable[..., Awaitable[RevokedSessions]]


@pytest.fixture
def source() -> Source:
    """The database."""
    return Source()


@pytest.fixture
async def join(source: Source) -> AsyncIterator[Join]:
    """One more process."""
    async with AsyncExitStack() as stack:

        async def join(server: RedisServer, *, refresh_seconds: float = 60, **changes: object) -> RevokedSessions:
            revoked = RevokedSessions(source.load, refresh_seconds=refresh_seconds)
            shared = await stack.enter_async_context(open_redis(server.settings(**changes), name="tests"))
            shared.share_revocations(revoked)
            return revoked

        yield join


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "_QUIET_SECONDS", 0.02)


async def settled(server: RedisServer, source: Source, *processes: RevokedSessions) -> None:
    """All of them listen, and have asked the database since."""
    async with asyncio.timeout(5):
        while f":{len(processes)}\r\n" not in server.ask("PUBSUB", "NUMSUB", "tests!revoked"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        asked = -1
        while source.asked != asked:
            asked = source.asked
            await asyncio.gather(*(process.contains(uuid4()) for process in processes))
            await asyncio.sleep(0.03)


async def said_twice(log: Log, event: str) -> None:
    """By both processes, and once by each."""
    async with asyncio.timeout(5):
        while len(log.events(event)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(log.events(event)) == 2


async def learns(process: RevokedSessions, session_id: UUID) -> float:
    """Seconds until it knows."""
    began = time.monotonic()
    async with asyncio.timeout(5):
        while not await process.contains(session_id):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return time.monotonic() - began


async def test_a_session_that_ends_in_one_process_ends_in_all_at_once(
    redis_server: RedisServer, source: Source, join: Join
) -> None:
    processes = [await join(redis_server) for _ in range(3)]
    await settled(redis_server, source, *processes)
    asked = source.asked
    ended = [uuid4(), uuid4()]

    processes[0].add(*ended)
    processes[0].add()

    took = [await learns(process, session_id) for process in processes for session_id in ended]
    assert max(took) < 0.5, "not after the 60 seconds of the database"
    assert not await processes[1].contains(uuid4())
    assert source.asked == asked, "the database was not asked"


async def test_without_redis_the_database_tells(own_redis: RedisServer, source: Source, join: Join) -> None:
    own_redis.stop()
    first, second = [await join(own_redis, refresh_seconds=0.05) for _ in range(2)]
    session_id = uuid4()

    source.revoked.add(session_id)
    first.add(session_id)

    assert await first.contains(session_id)
    assert await learns(second, session_id) < 1


@pytest.mark.parametrize("fault", ["stop", "freeze"])
@pytest.mark.usefixtures("impatient")
async def test_what_was_missed_during_an_outage_is_asked_for_as_soon_as_it_ends(
    fault: str, own_redis: RedisServer, source: Source, join: Join, log: Log
) -> None:
    first, second = [await join(own_redis, timeout_seconds=0.1) for _ in range(2)]
    await settled(own_redis, source, first, second)
    getattr(own_redis, fault)()
    session_id = uuid4()
    source.revoked.add(session_id)
    first.add(session_id)
    await said_twice(log, "ended sessions are not announced for now")
    assert not await second.contains(session_id)

    {"stop": own_redis.start, "freeze": own_redis.thaw}[fault]()
    await learns(second, session_id)
    other_id = uuid4()
    first.add(other_id)
    await learns(second, other_id)
    await said_twice(log, "ended sessions are announced again")


async def test_a_message_of_another_program_ends_no_session(
    redis_server: RedisServer, source: Source, join: Join, log: Log
) -> None:
    process = await join(redis_server)
    await settled(redis_server, source, process)
    for message in ("hello", "\xff\xfe", "1 2 3", " ".join(["x" * 36] * 1000)):
        redis_server.ask("PUBLISH", "tests!revoked", message)
    session_id = uuid4()
    redis_server.ask("PUBLISH", "tests!revoked", str(session_id))

    await learns(process, session_id)
    assert len(log.events("another program uses the channel of ended sessions")) == 4
