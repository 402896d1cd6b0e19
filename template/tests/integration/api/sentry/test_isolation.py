"""Reports are of their own request, however many there are at a time."""

import asyncio

import pytest
from fastapi import APIRouter

from app.core import monitor
from app.core.config import ApplicationSettings
from tests.integration.api.sentry.applications import reporting
from tests.servers.sentry import sentry_server

pytestmark = pytest.mark.anyio

REQUESTS = 200

router = APIRouter(prefix="/mixed")


@router.get("/{number}")
async def fail(number: int) -> None:
    await asyncio.sleep(0)
    monitor.set_user(number)
    with monitor.trace(f"outer {number}"):
        for step in range(3):
            monitor.add_breadcrumb(f"step {step} of {number}")
            await asyncio.sleep(0.001 * (number % 3))
        with monitor.trace(f"inner {number}"):
            await asyncio.to_thread(monitor.add_breadcrumb, f"thread of {number}")
            await asyncio.sleep(0)
    raise RuntimeError(f"error of {number}")


@pytest.mark.process
async def test_200_requests_at_a_time_are_reported_each_with_its_own_user_and_trail(
    settings: ApplicationSettings,
) -> None:
    async with (
        sentry_server() as sentry,
        reporting(settings, sentry.url, router, queue_size=1000, traces_sample_rate=1) as (client, _),
    ):
        answers = await asyncio.gather(*(client.get(f"/mixed/{number}") for number in range(REQUESTS)))

    support_ids = {str(number): answer.json()["request_id"] for number, answer in enumerate(answers)}
    assert len(set(support_ids.values())) == REQUESTS
    events, transactions = sentry.events, sentry.transactions
    assert len(events) == len(transactions) == REQUESTS
    for event in events:
        number = event["user"]["id"]
        assert event["exception"]["values"][0]["value"] == f"error of {number}"
        assert event["tags"]["support_id"] == event["tags"]["request_id"] == support_ids[number]
        assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == [
            *(f"step {step} of {number}" for step in range(3)),
            f"thread of {number}",
        ]
    for transaction in transactions:
        number = transaction["user"]["id"]
        assert transaction["tags"]["request_id"] == support_ids[number]
        assert [span["description"] for span in transaction["spans"]] == [f"outer {number}", f"inner {number}"]
