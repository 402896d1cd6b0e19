"""The application with Redis, and with everything that can happen to it while requests are under way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends
from httpx import AsyncClient, Response
from sqlalchemy import text

from app.api.dependencies import ReadSession, limited_to
from app.core import cache
from app.core.config import ApplicationSettings
from app.core.database import Statement
from app.core.security import Rate
from tests.applications import running
from tests.factories import PASSWORD
from tests.logins import register
from tests.logs import captured_log
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

CALLERS = 8
# Longer than a busy machine makes the server late, and the seconds by which it may make us: less than another timeout.
TIMEOUT = 1.0
BUSY = 0.8
Limited = Annotated[None, Depends(limited_to("answers", Rate(times=1_000_000, seconds=60)))]


class Answers:
    """A route that caches what it reads from the database, and counts how often it had to."""

    def __init__(self) -> None:
        self.router = APIRouter()
        self.router.add_api_route("/answers/{number}", self.read)
        self.loads = 0

    async def read(self, number: int, session: ReadSession, _limited: Limited) -> int:
        async def load() -> int:
            self.loads += 1
            return await session.one(Statement(text("SELECT 42"), int))

        return await cache.get_or_set(cache.make_key("answer", number), load, ttl=60)


@asynccontextmanager
async def answering(settings: ApplicationSettings) -> AsyncIterator[tuple[AsyncClient, Answers]]:
    answers = Answers()
    async with running(settings, answers.router) as client:
        yield client, answers


class Load:
    """Callers that ask one after the other, each waiting for its answers."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.statuses: set[int] = set()
        self._seconds: list[float] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(self._call(number)) for number in range(CALLERS)]
            yield
            for caller in callers:
                caller.cancel()

    async def _call(self, number: int) -> None:
        while True:
            began = time.perf_counter()
            response = await self._client.get(f"/answers/{number}")
            self._seconds.append(time.perf_counter() - began)
            self.statuses.add(response.status_code)
            # A failure may come without any wait, and would leave the event loop to this caller alone.
            await asyncio.sleep(0)

    async def during(self, seconds: float) -> list[float]:
        """Return how long the answers of the next seconds took, the longest last; a hundred at least."""
        self._seconds = []
        await asyncio.sleep(seconds)
        async with asyncio.timeout(20):
            while len(self._seconds) < 100:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return sorted(self._seconds)


def p99(seconds: Sequence[float]) -> float:
    return seconds[int(len(seconds) * 0.99)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.process
async def test_frozen_in_mid_load_it_costs_no_request_an_answer_and_the_99th_percentile_at_most_the_timeout(
    redis_settings: ApplicationSettings, redis_server: RedisServer
) -> None:
    patient = redis_settings.redis.model_copy(update={"timeout_seconds": TIMEOUT})
    async with answering(redis_settings.model_copy(update={"redis": patient})) as (client, answers):
        load = Load(client)

        async def all_cached() -> bool:
            before = answers.loads
            await load.during(0.1)
            return CALLERS <= answers.loads == before

        async with load.running():
            await until(all_cached)
            usual = await load.during(0.4)

            redis_server.freeze()
            loads = answers.loads
            frozen = await load.during(2 * TIMEOUT)
            assert answers.loads > loads + CALLERS, "all come from the database"

            redis_server.thaw()
            await until(all_cached)

        assert load.statuses == {200}
        assert p99(frozen) <= p99(usual) + TIMEOUT + BUSY
        # Those that were under way when it froze waited once, and not for each thing they wanted of it.
        assert frozen[-1] <= usual[-1] + TIMEOUT + BUSY
        assert int(redis_server.ask("DBSIZE").strip(":\r\n")) >= CALLERS


async def test_without_redis_it_starts_serves_and_finds_it_later(
    redis_settings: ApplicationSettings, redis_server: RedisServer
) -> None:
    redis_server.stop()
    with captured_log():
        async with answering(redis_settings) as (client, answers):
            assert [(await client.get("/answers/1")).status_code for _ in range(5)] == [200] * 5
            assert answers.loads == 5

            redis_server.start()

            async def cached() -> bool:
                before = answers.loads
                await client.get("/answers/1")
                return answers.loads == before

            await until(cached)


async def test_without_redis_it_is_ready_and_says_what_is_missing(
    redis_settings: ApplicationSettings, redis_server: RedisServer
) -> None:
    async with answering(redis_settings) as (client, _):
        healthy = await client.get("/api/v1/health/ready")
        redis_server.freeze()
        with captured_log() as log:
            degraded = await client.get("/api/v1/health/ready")
        redis_server.thaw()
        recovered = await client.get("/api/v1/health/ready")

    assert [each.status_code for each in (healthy, degraded, recovered)] == [200] * 3
    assert [each.json()["status"] for each in (healthy, degraded, recovered)] == ["healthy", "degraded", "healthy"]
    assert log.line["error"] == "Redis does not answer within 0.25 seconds (REDIS_TIMEOUT_SECONDS)."


async def log_in(client: AsyncClient, password: str = PASSWORD) -> Response:
    return await client.post("/api/v1/auth/login", json={"email": "caller@example.com", "password": password})


@pytest.mark.parametrize("fault", ["nothing", "freeze", "stop"])
async def test_guesses_are_limited_and_logins_work_with_any_fault_of_redis(
    fault: str, redis_settings: ApplicationSettings, redis_server: RedisServer
) -> None:
    async with answering(redis_settings) as (client, _):
        await register(client, "caller@example.com")
        if fault != "nothing":
            getattr(redis_server, fault)()
        assert (await log_in(client)).status_code == 200
        answers = [(await log_in(client, f"wrong guess {number}")).status_code for number in range(7)]
        assert answers == [401] * 5 + [429] * 2
