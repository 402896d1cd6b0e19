"""A Sentry that is down, hangs, fails or refuses costs no request anything, and a stop no more than its bound."""

import asyncio
import time

import pytest

from app.core.config import ApplicationSettings
from tests.integration.api.sentry.applications import reporting
from tests.servers.http import Answer, hang, reply, unused_url
from tests.servers.sentry import KEY, sentry_server

pytestmark = pytest.mark.anyio

FLUSH_SECONDS = 0.2
# What a busy machine may add to a bound; less than the sender itself waits for an answer.
MARGIN_SECONDS = 4.0

FAULTS: dict[str, Answer] = {
    "down": hang(),
    "hung": hang(),
    "failing": reply(500),
    "refusing": reply(429, Retry_After="60"),
    "elsewhere": reply(302, Location="http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_request_fails_or_waits_and_the_stop_is_bounded(fault: str, settings: ApplicationSettings) -> None:
    async with sentry_server(FAULTS[fault]) as sentry:
        url = unused_url() if fault == "down" else sentry.url
        async with reporting(settings, url, flush_seconds=FLUSH_SECONDS, queue_size=5) as (client, log):
            for _ in range(12):
                async with asyncio.timeout(MARGIN_SECONDS):
                    assert (await client.get("/lab/bugs/7")).status_code == 500
            began = time.perf_counter()
        stop = time.perf_counter() - began

    assert stop < FLUSH_SECONDS + MARGIN_SECONDS
    assert KEY not in log.text


async def test_the_event_loop_goes_on_while_the_rest_is_sent(settings: ApplicationSettings) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - began)

    async with sentry_server(hang()) as sentry:
        async with reporting(settings, sentry.url, flush_seconds=1) as (client, _log):
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
