"""Webhooks: each event counts once, in whatever order, however often and however many at a time."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Limits
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.config import ApplicationSettings
from app.core.config.process import TelemetrySettings
from app.core.events import get_event_bus
from app.core.process import get_object
from app.services import webhooks
from app.services.retention import Retention
from tests.applications import running, served
from tests.buses import until_settled
from tests.clients import problem
from tests.logs import captured_log
from tests.metrics import names, panels, scrape
from tests.orders import (
    deliver,
    make_event,
    make_paid_order,
    make_unheard_payment,
    payments_at_stripe,
    read_inbox,
    status_of,
)
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio


async def test_receive_event_has_one_effect_for_fifty_deliveries(
    app: FastAPI, scratch_client: AsyncClient, scratch: AsyncEngine, stripe: StripeServer, told: list[str]
) -> None:
    order, event = await make_unheard_payment(scratch_client, stripe)

    async with served(app) as url, AsyncClient(base_url=url, limits=Limits(max_connections=10)) as sender:
        answers = await asyncio.gather(*(deliver(sender, event) for _ in range(50)))
    await until_settled(get_event_bus())

    assert {answer.status_code for answer in answers} == {200}
    outcomes = sorted(answer.json()["outcome"] for answer in answers)
    assert outcomes == ["duplicate"] * 49 + ["handled"]
    assert told == ["paid"]
    assert await read_inbox(scratch) == ["checkout.session.completed"]
    assert await status_of(scratch_client, order) == "paid"


async def test_receive_event_leaves_no_trace_of_a_handler_that_fails(
    scratch_client: AsyncClient,
    scratch: AsyncEngine,
    stripe: StripeServer,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order, event = await make_unheard_payment(scratch_client, stripe)
    really = webhooks.settle_checkout

    async def fail(*arguments: Any) -> None:
        await really(*arguments)
        raise RuntimeError("something else went wrong")

    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "settle_checkout", fail)
        problem(await deliver(scratch_client, event), 500, "INTERNAL_ERROR")
    assert await read_inbox(scratch) == []
    assert await status_of(scratch_client, order) == "pending"

    answers = [await deliver(scratch_client, event) for _ in range(2)]
    await until_settled(get_event_bus())
    assert [answer.json() for answer in answers] == [{"outcome": "handled"}, {"outcome": "duplicate"}]
    assert told == ["paid"]
    assert await status_of(scratch_client, order) == "paid"


async def test_receive_event_fails_if_the_commit_fails(
    scratch_client: AsyncClient, scratch: AsyncEngine, stripe: StripeServer
) -> None:
    order, event = await make_unheard_payment(scratch_client, stripe)
    async with scratch.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE 'no' USING ERRCODE = 'check_violation'; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )

    assert (await deliver(scratch_client, event)).status_code == 500
    assert await read_inbox(scratch) == []

    async with scratch.begin() as connection:
        await connection.execute(text("DROP TRIGGER refuse ON orders"))
    assert (await deliver(scratch_client, event)).json() == {"outcome": "handled"}
    assert await status_of(scratch_client, order) == "paid"


async def test_receive_event_accepts_an_unknown_type(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    event = make_event("plan.created", {"object": "plan", "id": "price_1"})

    answers = [(await deliver(client, event)).json() for _ in range(2)]

    assert answers == [{"outcome": "ignored"}, {"outcome": "duplicate"}]
    assert await read_inbox(transaction) == ["plan.created"]


async def test_receive_event_logs_a_change_once_it_is_committed(client: AsyncClient, stripe: StripeServer) -> None:
    with captured_log() as log:
        order = await make_paid_order(client, stripe)
        await until_settled(get_event_bus())

    (line,) = log.events("order status")
    assert (line["order_id"], line["before"], line["status"]) == (order["id"], "pending", "paid")
    assert len(log.events("webhook handled")) == 1


async def test_receive_event_counts_outcomes(
    settings: ApplicationSettings, scratch_url: str, metrics_port: int
) -> None:
    measured = settings.with_database_url(scratch_url)
    measured = measured.model_copy(update={"telemetry": TelemetrySettings(metrics_port=metrics_port)})
    event = make_event("plan.created", {"object": "plan"})
    async with running(measured) as client, payments_at_stripe():
        for _ in range(3):
            await deliver(client, event)

    (panel,) = panels("payments.json")
    said = scrape(metrics_port)
    assert names(panel["targets"][0]["expr"]) == {"app_webhooks_total"}
    assert said['app_webhooks_total{outcome="ignored",type="plan.created"}'] == 1
    assert said['app_webhooks_total{outcome="duplicate",type="plan.created"}'] == 2


async def test_purge_keeps_the_inbox_from_growing_over_months(app: FastAPI, scratch: AsyncEngine) -> None:
    seen = []
    for _ in range(30):
        async with scratch.begin() as connection:
            await connection.execute(text("UPDATE webhook_events SET received_at = received_at - interval '10 days'"))
            await connection.execute(
                text(
                    "INSERT INTO webhook_events (id, type, happened_at) "
                    "SELECT gen_random_uuid()::text, 'charge.refunded', now() FROM generate_series(1, 10)"
                )
            )
        await get_object(Retention).purge()
        seen.append(len(await read_inbox(scratch)))

    # RETENTION_WEBHOOK_EVENT_DAYS, 90 of 300.
    assert set(seen[9:]) == {90}
