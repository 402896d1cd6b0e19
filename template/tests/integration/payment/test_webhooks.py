"""Webhooks: each event counts once, in whatever order, however often and however many at a time."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from httpx import AsyncClient, Limits
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core import monitor
from app.core.events import get_event_bus
from app.models.events.order import OrderStatusChanged
from app.services import webhooks
from tests.buses import until_settled
from tests.logs import captured_log
from tests.orders import (
    WEBHOOKS,
    checkout,
    deliver,
    make_event,
    make_order,
    make_paid_order,
    payments_switched_off,
    sign,
    status_of,
)
from tests.problems import problem
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def told(app: FastAPI) -> AsyncIterator[list[str]]:
    """What orders have become, as subscribers are told after each commit."""
    statuses: list[str] = []

    async def listen(event: OrderStatusChanged) -> None:
        statuses.append(event.status)

    unsubscribe = get_event_bus().subscribe(OrderStatusChanged, listen)
    yield statuses
    unsubscribe()


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person is told to look at."""
    messages: list[str] = []
    monkeypatch.setattr(monitor, "capture_message", lambda message, *_, **__: messages.append(message))
    return messages


async def paid(client: AsyncClient, stripe: StripeServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order that is paid at Stripe, and the event that says so, not delivered yet."""
    order = await make_order(client)
    session = stripe.pay((await checkout(client, order))["url"].rpartition("/")[2])
    return order, make_event("checkout.session.completed", session)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The application, which has been started, on a socket. Its lifespan is not this server's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def inbox(connection: AsyncConnection | AsyncEngine) -> list[str]:
    statement = text("SELECT type FROM webhook_events ORDER BY id")
    if isinstance(connection, AsyncEngine):
        async with connection.connect() as own:
            return list((await own.execute(statement)).scalars())
    return list((await connection.execute(statement)).scalars())


async def test_fifty_deliveries_over_ten_connections_have_one_effect(
    app: FastAPI, scratch_client: AsyncClient, scratch: AsyncEngine, stripe: StripeServer, told: list[str]
) -> None:
    order, event = await paid(scratch_client, stripe)

    async with served(app) as url, AsyncClient(base_url=url, limits=Limits(max_connections=10)) as sender:
        answers = await asyncio.gather(*(deliver(sender, event) for _ in range(50)))
    await until_settled(get_event_bus())

    assert {answer.status_code for answer in answers} == {200}
    outcomes = sorted(answer.json()["outcome"] for answer in answers)
    assert outcomes == ["duplicate"] * 49 + ["handled"]
    assert told == ["paid"]
    assert await inbox(scratch) == ["checkout.session.completed"]
    assert await status_of(scratch_client, order) == "paid"


async def test_a_handler_that_fails_leaves_no_trace_and_succeeds_later_once(
    scratch_client: AsyncClient,
    scratch: AsyncEngine,
    stripe: StripeServer,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order, event = await paid(scratch_client, stripe)
    really = webhooks.HANDLERS[event["type"]]

    async def fail(*arguments: Any) -> None:
        await really(*arguments)
        raise RuntimeError("something else went wrong")

    with monkeypatch.context() as patch:
        patch.setitem(webhooks.HANDLERS, event["type"], fail)
        problem(await deliver(scratch_client, event), 500, "INTERNAL_ERROR")
    assert await inbox(scratch) == []
    assert await status_of(scratch_client, order) == "pending"

    answers = [await deliver(scratch_client, event) for _ in range(2)]
    await until_settled(get_event_bus())
    assert [answer.json() for answer in answers] == [{"outcome": "handled"}, {"outcome": "duplicate"}]
    assert told == ["paid"]
    assert await status_of(scratch_client, order) == "paid"


async def test_a_commit_that_fails_is_no_delivery(
    scratch_client: AsyncClient, scratch: AsyncEngine, stripe: StripeServer
) -> None:
    order, event = await paid(scratch_client, stripe)
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
    assert await inbox(scratch) == []

    async with scratch.begin() as connection:
        await connection.execute(text("DROP TRIGGER refuse ON orders"))
    assert (await deliver(scratch_client, event)).json() == {"outcome": "handled"}
    assert await status_of(scratch_client, order) == "paid"


@pytest.mark.parametrize(
    "how",
    [{"secret": "whsec_of_another"}, {"at": time.time() - 10_000}, None],
    ids=["forged", "old", "none"],
)
async def test_what_is_not_stripe_s_or_old_is_refused(
    how: dict[str, Any] | None, client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order, event = await paid(client, stripe)
    body = json.dumps(event).encode()
    headers = {} if how is None else {"Stripe-Signature": sign(body, **how)}

    problem(await client.post(WEBHOOKS, content=body, headers=headers), 400, "SIGNATURE_INVALID")

    assert await inbox(transaction) == []
    assert await status_of(client, order) == "pending"


async def test_the_signature_is_of_the_bytes_as_they_came(client: AsyncClient, stripe: StripeServer) -> None:
    _, event = await paid(client, stripe)
    compact, spaced = json.dumps(event, separators=(",", ":")).encode(), json.dumps(event, indent=2).encode()

    answer = await client.post(WEBHOOKS, content=spaced, headers={"Stripe-Signature": sign(compact)})
    problem(answer, 400, "SIGNATURE_INVALID")
    answer = await client.post(WEBHOOKS, content=spaced, headers={"Stripe-Signature": sign(spaced)})
    assert answer.json() == {"outcome": "handled"}


async def test_who_has_no_right_signature_gets_no_connection(
    client: AsyncClient, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        pytest.fail("the inbox was asked")

    monkeypatch.setattr("app.repositories.webhook_events.insert_event", refuse)
    problem(await client.post(WEBHOOKS, content=b"{}"), 400, "SIGNATURE_INVALID")


async def test_a_body_is_not_read_without_end(client: AsyncClient, stripe: StripeServer) -> None:
    problem(await client.post(WEBHOOKS, content=b"x" * 1_048_577), 413, "BODY_TOO_LARGE")


async def test_no_credentials_are_needed(anonymous: AsyncClient, stripe: StripeServer) -> None:
    assert (await deliver(anonymous, make_event("plan.created", {"object": "plan"}))).status_code == 200


async def test_an_unknown_type_is_recorded_and_accepted(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    event = make_event("plan.created", {"object": "plan", "id": "price_1"})

    answers = [(await deliver(client, event)).json() for _ in range(2)]

    assert answers == [{"outcome": "ignored"}, {"outcome": "duplicate"}]
    assert await inbox(transaction) == ["plan.created"]


async def test_an_event_of_the_other_mode_changes_nothing(client: AsyncClient, stripe: StripeServer) -> None:
    order, event = await paid(client, stripe)

    assert (await deliver(client, {**event, "livemode": True})).json() == {"outcome": "ignored"}
    assert await status_of(client, order) == "pending"


async def test_content_that_is_not_what_its_type_promises_is_refused_and_delivered_again(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    event = make_event("checkout.session.completed", {"object": "checkout.session", "id": "cs_1"})

    problem(await deliver(client, event), 422, "VALIDATION_ERROR")

    assert await inbox(transaction) == []


@pytest.mark.parametrize("metadata", [{}, {"order_id": "7"}, {"order_id": "0193b000-0000-7000-8000-000000000000"}])
async def test_pages_of_others_in_the_same_account_are_let_be(
    metadata: dict[str, str], client: AsyncClient, stripe: StripeServer
) -> None:
    order, event = await paid(client, stripe)
    # Who pays by a link may choose this reference, and must not get an order for it.
    content = {**event["data"]["object"], "metadata": metadata, "client_reference_id": order["id"]}
    event["data"]["object"] = content

    assert (await deliver(client, event)).json() == {"outcome": "handled"}
    assert await status_of(client, order) == "pending"


@pytest.mark.parametrize("change", [{"amount_total": 1}, {"currency": "usd"}, {"amount_total": None}])
async def test_another_amount_than_was_ordered_pays_nothing(
    change: dict[str, Any], client: AsyncClient, stripe: StripeServer, reported: list[str]
) -> None:
    order, event = await paid(client, stripe)
    event["data"]["object"] |= change

    assert (await deliver(client, event)).json() == {"outcome": "handled"}
    assert await status_of(client, order) == "pending"
    assert reported == ["something else was paid than was ordered"]


async def test_two_payments_of_one_order_are_reported(
    client: AsyncClient, stripe: StripeServer, reported: list[str]
) -> None:
    _, event = await paid(client, stripe)
    await deliver(client, event)
    again = {**event["data"]["object"], "id": "cs_test_other", "payment_intent": "pi_other"}
    await deliver(client, make_event("checkout.session.completed", again))

    assert reported == ["an order was paid twice: refund one of the payments"]


async def test_news_in_the_wrong_order_end_as_in_the_right_one(
    client: AsyncClient, stripe: StripeServer, told: list[str]
) -> None:
    order, event = await paid(client, stripe)
    session = event["data"]["object"]
    refund = {"id": "re_1", "amount": order["amount"], "payment_intent": session["payment_intent"]}
    # Refunded by hand while the news of the payment was still under way.
    await deliver(client, make_event("refund.updated", {**refund, "status": "succeeded"}))
    await deliver(client, make_event("refund.created", {**refund, "status": "pending"}, created=1))
    assert await status_of(client, order) == "pending"
    await deliver(client, event)
    assert await status_of(client, order) == "refunded"
    await deliver(client, make_event("checkout.session.expired", {**session, "payment_status": "unpaid"}))
    await deliver(client, {**event, "id": "evt_sent_again"})
    await until_settled(get_event_bus())

    assert await status_of(client, order) == "refunded"
    assert told == ["paid", "refunding", "refunded"]


async def test_payment_and_refund_heard_at_the_same_moment_meet(
    scratch_client: AsyncClient, stripe: StripeServer
) -> None:
    for number in range(5):
        order, event = await paid(scratch_client, stripe)
        intent = event["data"]["object"]["payment_intent"]
        refund = {"id": f"re_{number}", "amount": order["amount"], "payment_intent": intent, "status": "succeeded"}
        both = [event, make_event("refund.updated", refund)]
        await asyncio.gather(*(deliver(scratch_client, each) for each in both[:: 1 - 2 * (number % 2)]))
        assert await status_of(scratch_client, order) == "refunded"


async def test_a_refund_of_nothing_of_ours_waits_and_keeps_little(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    refund = {"id": "re_1", "amount": 5, "status": "succeeded", "receipt_number": "Xq7planted"}
    await deliver(client, make_event("refund.created", {**refund, "payment_intent": None}))
    await deliver(client, make_event("refund.created", {**refund, "payment_intent": "pi_of_another"}))

    kept = (await transaction.execute(text("SELECT waiting FROM webhook_events WHERE waits_for IS NOT NULL"))).scalars()
    assert list(kept) == [
        {"id": "re_1", "amount": 5, "status": "succeeded", "payment_intent": "pi_of_another", "test_mode": True}
    ]


async def test_every_change_is_logged_once_it_is_committed(client: AsyncClient, stripe: StripeServer) -> None:
    with captured_log() as log:
        order = await make_paid_order(client, stripe)
        await until_settled(get_event_bus())

    (line,) = log.events("audit")
    assert (line["order_id"], line["before"], line["status"]) == (order["id"], "pending", "paid")
    assert len(log.events("webhook handled")) == 1


async def test_where_payments_are_made_up_webhooks_need_a_secret_all_the_same(client: AsyncClient) -> None:
    event = make_event("plan.created", {"object": "plan"})
    problem(await deliver(client, event), 400, "SIGNATURE_INVALID")
    async with payments_switched_off():
        assert (await deliver(client, event)).json() == {"outcome": "ignored"}
