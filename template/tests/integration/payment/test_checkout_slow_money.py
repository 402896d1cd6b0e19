"""Paying for an order by means whose money takes days."""

import pytest
from httpx import AsyncClient

from tests.clients import problem
from tests.integration.payment.test_checkout import session_of, start
from tests.orders import checkout, deliver, make_event, make_order, status_of
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio


async def test_start_checkout_waits_for_money_that_takes_days(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_order(client)
    session = stripe.pay(session_of(await checkout(client, order)), payment_status="unpaid")
    completed = make_event("checkout.session.completed", session)
    await deliver(client, completed)
    assert await status_of(client, order) == "processing"
    problem(await start(client, order), 409, "BUSINESS_RULE_VIOLATED")

    await deliver(client, make_event("checkout.session.async_payment_succeeded", {**session, "payment_status": "paid"}))
    assert await status_of(client, order) == "paid"
    await deliver(client, {**completed, "id": "evt_completed_late"})
    assert await status_of(client, order) == "paid"


async def test_start_checkout_lets_an_order_be_paid_whose_money_did_not_come(
    client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_order(client)
    first = await checkout(client, order)
    session = stripe.pay(session_of(first), payment_status="unpaid")
    # In the wrong order, and once more.
    await deliver(client, make_event("checkout.session.async_payment_failed", session))
    await deliver(client, make_event("checkout.session.completed", session))
    await deliver(client, make_event("checkout.session.async_payment_failed", session))
    assert await status_of(client, order) == "failed"

    second = await checkout(client, order)
    assert second["url"] != first["url"]
    await deliver(client, make_event("checkout.session.completed", stripe.pay(session_of(second))))
    assert await status_of(client, order) == "paid"
