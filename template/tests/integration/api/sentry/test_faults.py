"""A Sentry that is down, hangs, fails or refuses costs no request anything, and a stop no more than its bound."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from httpx import AsyncClient

from app.core.config import ApplicationSettings
from tests.integration.api.sentry.applications import reporting
from tests.servers.http import Answer, hang, reply, unused_url
from tests.servers.sentry import KEY, SentryServer, sentry_server

pytestmark = pytest.mark.anyio

FLUSH_SECONDS = 0.2
# What a busy machine may add to a bound; less than the sender itself waits for an answer.
MARGIN_SECONDS = 4.0

FAULTS: dict[str, tuple[Answer, ...]] = {
    "hung": (hang(),),
    "failing": (reply(500),),
    "refusing": (reply(429, Retry_After="60"),),
    "elsewhere": (reply(302, Location="http://127.0.0.1:9/"),),
}


@asynccontextmanager
async def somewhere(fault: str) -> AsyncIterator[tuple[str, SentryServer | None]]:
    if fault == "down":
        yield unused_url(), None
        return
    async with sentry_server(*FAULTS.get(fault, ())) as sentry:
        yield sentry.url, sentry


async def times(client: AsyncClient, path: str, *, requests: int) -> list[float]:
    """Milliseconds of each request, all of which fail as they should."""
    found = []
    for _ in range(requests):
        began = time.perf_counter()
        answer = await client.get(path)
        found.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 500
    return found


@pytest.mark.parametrize("fault", ["down", *FAULTS])
async def test_no_request_fails_or_waits_and_the_stop_is_bounded(fault: str, settings: ApplicationSettings) -> None:
    async with somewhere(fault) as (url, _):
        async with reporting(settings, url, flush_seconds=FLUSH_SECONDS, queue_size=5) as (client, log):
            slowest = max(await times(client, "/lab/bugs/7", requests=12))
            began = time.perf_counter()
        stop = time.perf_counter() - began

    assert slowest < MARGIN_SECONDS * 1000
    assert stop < FLUSH_SECONDS + MARGIN_SECONDS
    assert KEY not in log.text


@pytest.mark.process
async def test_requests_take_as_long_with_a_hung_sentry_as_with_a_good_one(settings: ApplicationSettings) -> None:
    medians = {}
    for fault in ("none", "hung"):
        async with (
            somewhere(fault) as (url, _),
            reporting(settings, url, flush_seconds=FLUSH_SECONDS, queue_size=10) as (client, _log),
        ):
            await times(client, "/lab/bugs/7", requests=5)
            medians[fault] = statistics.median(await times(client, "/lab/bugs/7", requests=40))

    # A hung one could only cost more by being waited for, which takes seconds; the rest is a busy machine.
    assert medians["hung"] < 2 * medians["none"] + 20, medians


async def test_the_event_loop_goes_on_while_the_rest_is_sent(settings: ApplicationSettings) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - began)

    async with somewhere("hung") as (url, _):
        async with reporting(settings, url, flush_seconds=1) as (client, _log):
            await client.get("/lab/bugs/7")
            watcher = asyncio.create_task(watch())
            await asyncio.sleep(0.02)
            began = time.perf_counter()
        stop = time.perf_counter() - began
        # Were it held up until now, it could say so only now.
        await asyncio.sleep(0.02)
        watcher.cancel()

    assert 0.9 < stop < 1 + MARGIN_SECONDS
    assert longest < 0.9


async def test_a_full_queue_drops_what_is_new(settings: ApplicationSettings) -> None:
    async with (
        somewhere("hung") as (url, sentry),
        reporting(settings, url, flush_seconds=FLUSH_SECONDS, queue_size=2) as (client, _),
    ):
        await times(client, "/lab/bugs/7", requests=10)

    assert sentry is not None
    assert len(sentry.events) <= 1
