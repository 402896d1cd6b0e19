"""`/webhooks/stripe`: the effect of events on orders, in whatever order they come."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import payment
from app.core.events import get_event_bus
from tests.applications import process_with
from tests.buses import until_settled
from tests.orders import (
    checkout,
    deliver,
    make_event,
    make_order,
    make_unheard_payment,
    status_of,
)
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio


async def test_receive_event_ignores_an_event_of_the_other_mode(client: AsyncClient, stripe: StripeServer) -> None:
    order, event = await make_unheard_payment(client, stripe)

    assert (await deliver(client, {**event, "livemode": True})).json() == {"outcome": "ignored"}
    assert await status_of(client, order) == "pending"


async def test_receive_event_ignores_another_account_unless_it_is_configured(
    client: AsyncClient, stripe: StripeServer
) -> None:
    """Accounts that are connected to a platform write the metadata of their own pages."""
    order, event = await make_unheard_payment(client, stripe)
    refund = {"id": "re_1", "amount": 1250, "status": "succeeded", "payment_intent": "pi_1", "currency": "eur"}
    dispute = {**refund, "id": "du_1", "status": "needs_response"}
    outcomes = ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
    for kind, subject in [(f"checkout.session.{each}", event["data"]["object"]) for each in outcomes] + [
        ("refund.created", {**refund, "payment_intent": event["data"]["object"]["payment_intent"]}),
        ("charge.dispute.created", {**dispute, "payment_intent": event["data"]["object"]["payment_intent"]}),
    ]:
        answer = await deliver(client, make_event(kind, subject, account="acct_of_another"))
        assert answer.json() == {"outcome": "ignored"}
    assert await status_of(client, order) == "pending"

    payments = payment.get_payments()
    settings = payments.settings.model_copy(update={"accounts": ("acct_ours",)})
    with process_with(replace(payments, settings=settings)):
        await deliver(client, {**event, "id": "evt_other", "account": "acct_of_another"})
        assert await status_of(client, order) == "pending"
        await deliver(client, {**event, "account": "acct_ours"})
        assert await status_of(client, order) == "paid"


async def test_receive_event_pays_nothing_by_a_page_that_was_not_made_here(
    client: AsyncClient, stripe: StripeServer, reported: list[str]
) -> None:
    order, event = await make_unheard_payment(client, stripe)
    event["data"]["object"]["id"] = "cs_test_made_elsewhere"

    assert (await deliver(client, event)).json() == {"outcome": "handled"}
    assert await status_of(client, order) == "pending"
    assert reported == ["a page that was not made here was paid under an order's id"]


@pytest.mark.parametrize(
    ("payment_status", "with_payment", "status"),
    [
        ("paid", True, "paid"),
        ("paid", False, "pending"),
        ("no_payment_required", True, "pending"),
        ("no_payment_required", False, "pending"),
        ("unpaid", True, "processing"),
        ("unpaid", False, "processing"),
        ("of_a_later_version", True, "pending"),
    ],
)
async def test_receive_event_pays_an_order_by_a_payment_alone(
    *,
    payment_status: str,
    with_payment: bool,
    status: str,
    client: AsyncClient,
    stripe: StripeServer,
    reported: list[str],
) -> None:
    order, event = await make_unheard_payment(client, stripe)
    session = event["data"]["object"]
    session |= {"payment_status": payment_status} | ({} if with_payment else {"payment_intent": None})

    assert (await deliver(client, event)).json() == {"outcome": "handled"}
    assert await status_of(client, order) == status
    assert len(reported) == (status == "pending")


@pytest.mark.parametrize("metadata", [{}, {"order_id": "7"}, {"order_id": "0193b000-0000-7000-8000-000000000000"}])
async def test_receive_event_leaves_pages_of_others_in_the_account_alone(
    metadata: dict[str, str], client: AsyncClient, stripe: StripeServer
) -> None:
    order, event = await make_unheard_payment(client, stripe)
    # Who pays by a link may choose this reference, and must not get an order for it.
    content = {**event["data"]["object"], "metadata": metadata, "client_reference_id": order["id"]}
    event["data"]["object"] = content

    assert (await deliver(client, event)).json() == {"outcome": "handled"}
    assert await status_of(client, order) == "pending"


@pytest.mark.parametrize("change", [{"amount_total": 1}, {"currency": "usd"}, {"amount_total": None}])
async def test_receive_event_pays_nothing_by_another_amount(
    change: dict[str, Any], client: AsyncClient, stripe: StripeServer, reported: list[str]
) -> None:
    order, event = await make_unheard_payment(client, stripe)
    event["data"]["object"] |= change

    assert (await deliver(client, event)).json() == {"outcome": "handled"}
    assert await status_of(client, order) == "pending"
    assert reported == ["something else was paid than was ordered"]


async def test_receive_event_reports_two_payments_of_one_order(
    client: AsyncClient, stripe: StripeServer, reported: list[str]
) -> None:
    order = await make_order(client)
    first = await checkout(client, order)
    session = stripe.objects[first["url"].rpartition("/")[2]]
    expired = {**session, "status": "expired", "url": None}
    await deliver(client, make_event("checkout.session.expired", expired))
    second = await checkout(client, order)
    for page in (second, first):
        paid = stripe.pay(page["url"].rpartition("/")[2])
        await deliver(client, make_event("checkout.session.completed", paid))

    assert reported == ["an order was paid twice: refund one of the payments"]


async def test_receive_event_ends_the_same_for_events_in_the_wrong_order(
    client: AsyncClient, stripe: StripeServer, told: list[str]
) -> None:
    order, event = await make_unheard_payment(client, stripe)
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
    assert told == ["refunded"]


async def test_receive_event_joins_a_payment_and_its_refund_at_the_same_moment(
    scratch_client: AsyncClient, stripe: StripeServer
) -> None:
    for number in range(5):
        order, event = await make_unheard_payment(scratch_client, stripe)
        intent = event["data"]["object"]["payment_intent"]
        refund = {"id": f"re_{number}", "amount": order["amount"], "payment_intent": intent, "status": "succeeded"}
        both = [event, make_event("refund.updated", refund)]
        await asyncio.gather(*(deliver(scratch_client, each) for each in both[:: 1 - 2 * (number % 2)]))
        assert await status_of(scratch_client, order) == "refunded"


async def test_receive_event_keeps_little_of_a_refund_of_others(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    refund = {"id": "re_1", "amount": 5, "currency": "eur", "status": "succeeded", "receipt_number": "Xq7planted"}
    await deliver(client, make_event("refund.created", {**refund, "payment_intent": None}))
    await deliver(client, make_event("refund.created", {**refund, "payment_intent": "pi_of_another"}))

    kept = (await transaction.execute(text("SELECT * FROM payment_reversals"))).mappings().all()
    assert [(each["id"], each["payment_intent_id"], each["amount"]) for each in kept] == [("re_1", "pi_of_another", 5)]
    assert "planted" not in str(kept)
