"""Giving money back: once, and the order says what has become of it."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.repositories import orders
from tests.clients import problem
from tests.orders import (
    ORDERS,
    checkout,
    deliver,
    make_event,
    make_order,
    make_paid_order,
    payments_at,
    payments_at_stripe,
    status_of,
)
from tests.servers.http import hang, then_reset
from tests.servers.stripe import Refusal, StripeServer

pytestmark = pytest.mark.anyio


async def refund(client: AsyncClient, order: dict[str, Any]) -> Response:
    return await client.post(f"{ORDERS}/{order['id']}/refund")


def refunds(stripe: StripeServer) -> list[dict[str, Any]]:
    return [stripe.objects[each] for each in stripe.effects if each.startswith("re_")]


async def test_refund_order_refunds_a_paid_order_once(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(client, stripe)

    first, again = [await refund(client, order) for _ in range(2)]

    assert first.status_code == again.status_code == 200
    assert first.json()["status"] == again.json()["status"] == "refunded"
    assert first.json()["refunded_at"]
    (made,) = refunds(stripe)
    assert (made["amount"], made["payment_intent"]) == (order["amount"], order["payment_intent"])
    assert made["metadata"] == {"order_id": order["id"], "attempt": "1"}


async def test_refund_order_refunds_once_of_many_at_once(scratch_client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(scratch_client, stripe)

    answers = await asyncio.gather(*(refund(scratch_client, order) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(refunds(stripe)) == 1
    assert await status_of(scratch_client, order) == "refunded"


async def test_refund_order_refuses_an_order_that_is_not_paid(client: AsyncClient, stripe: StripeServer) -> None:
    problem(await refund(client, await make_order(client)), 409, "BUSINESS_RULE_VIOLATED")
    assert stripe.http.requests == []


async def test_refund_order_makes_up_a_refund_without_stripe(client: AsyncClient, no_stripe: None) -> None:
    order = await make_order(client)
    await checkout(client, order)

    assert (await refund(client, order)).json()["status"] == "refunded"


async def test_refund_order_refunds_nothing_twice_after_a_lost_answer(client: AsyncClient, app: FastAPI) -> None:
    async with payments_at_stripe(attempts=1) as stripe:
        order = await make_paid_order(client, stripe)
        stripe.lost.append(then_reset(b""))
        problem(await refund(client, order), 503, "PAYMENT_UNAVAILABLE")
        assert await status_of(client, order) == "refunding"

        assert (await refund(client, order)).json()["status"] == "refunded"
        assert len(refunds(stripe)) == 1
        assert stripe.keys[-2:] == [f"order-{order['id']}-refund-1"] * 2


async def test_refund_order_is_completed_by_the_webhook_after_a_crash(
    client: AsyncClient, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await make_paid_order(client, stripe)
    really = orders.update_order

    async def crash(session: Any, order_id: Any, changes: Any) -> Any:
        if changes.get("refund_asked") is False:
            raise RuntimeError("the power went out")
        return await really(session, order_id, changes)

    with monkeypatch.context() as patch:
        patch.setattr(orders, "update_order", crash)
        assert (await refund(client, order)).status_code == 500
    assert await status_of(client, order) == "refunding"

    (made,) = refunds(stripe)
    assert (await deliver(client, make_event("refund.created", made))).status_code == 200
    assert await status_of(client, order) == "refunded"
    assert (await refund(client, order)).json()["status"] == "refunded"
    assert len(refunds(stripe)) == 1


async def test_refund_order_stays_open_where_stripe_hangs(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(client, stripe)
    stripe.faults.append(hang())
    with payments_at(stripe, attempts=1, timeout_seconds=0.2):
        problem(await refund(client, order), 504, "PAYMENT_TIMEOUT")
    assert await status_of(client, order) == "refunding"

    stripe.faults.clear()
    assert (await refund(client, order)).json()["status"] == "refunded"


async def test_refund_order_leaves_the_order_paid_where_stripe_refuses(
    client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_paid_order(client, stripe)
    stripe.refusals.append(Refusal(400, "invalid_request_error", "charge_disputed"))
    problem(await refund(client, order), 409, "PAYMENT_REFUSED")
    assert await status_of(client, order) == "paid"

    # Under a new key, since Stripe keeps the refusal for the old one.
    assert (await refund(client, order)).json()["status"] == "refunded"
    assert stripe.keys[-2:] == [f"order-{order['id']}-refund-{attempt}" for attempt in (1, 2)]


async def test_refund_order_takes_a_refund_by_hand_as_success(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(client, stripe)
    stripe.objects[order["payment_intent"]]["refunded"] = order["amount"]

    assert (await refund(client, order)).json()["status"] == "refunded"
    assert refunds(stripe) == []


async def test_refund_order_is_done_when_stripe_says_so(client: AsyncClient, stripe: StripeServer) -> None:
    stripe.refund_status = "pending"
    order = await make_paid_order(client, stripe)
    assert (await refund(client, order)).json()["status"] == "refunding"
    assert (await refund(client, order)).json()["status"] == "refunding"
    (made,) = refunds(stripe)

    await deliver(client, make_event("refund.updated", {**made, "status": "succeeded"}))
    assert await status_of(client, order) == "refunded"
    await deliver(client, make_event("refund.created", made))
    assert await status_of(client, order) == "refunded"


@pytest.mark.parametrize("before", ["pending", "succeeded"])
async def test_refund_order_can_be_repeated_after_a_refund_that_failed(
    before: str, client: AsyncClient, stripe: StripeServer
) -> None:
    stripe.refund_status = before
    order = await make_paid_order(client, stripe)
    await refund(client, order)
    (made,) = refunds(stripe)
    await deliver(client, make_event("refund.failed", {**made, "status": "failed"}))
    assert await status_of(client, order) == "paid"
    # What was said before, and is heard after.
    for late in ("pending", "succeeded", "failed"):
        await deliver(client, make_event("refund.updated", {**made, "status": late}))
        assert await status_of(client, order) == "paid"

    stripe.objects[order["payment_intent"]]["refunded"] = 0
    stripe.refund_status = "succeeded"
    assert (await refund(client, order)).json()["status"] == "refunded"
    await deliver(client, make_event("refund.updated", {**made, "status": "failed"}))
    assert await status_of(client, order) == "refunded"


async def test_receive_event_makes_a_refund_by_hand_a_part_of_the_order_s_state(
    client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_paid_order(client, stripe)
    by_hand = {"object": "refund", "currency": "eur", "payment_intent": order["payment_intent"]}

    async def hear(refund_id: str, amount: int, status: str) -> tuple[str, int]:
        refund = {**by_hand, "id": refund_id, "amount": amount, "status": status}
        await deliver(client, make_event("refund.updated", refund))
        found = (await client.get(f"{ORDERS}/{order['id']}")).json()
        return found["status"], found["amount_refunded"]

    assert await hear("re_part", 250, "pending") == ("refunding", 0)
    assert await hear("re_part", 250, "succeeded") == ("partially_refunded", 250)
    assert await hear("re_part", 250, "succeeded") == ("partially_refunded", 250)
    assert await hear("re_vain", 1000, "pending") == ("refunding", 250)
    assert await hear("re_other", 1000, "failed") == ("refunding", 250)
    assert await hear("re_vain", 1000, "canceled") == ("partially_refunded", 250)
    assert await hear("re_rest", 1000, "succeeded") == ("refunded", 1250)
    assert await hear("re_part", 250, "failed") == ("partially_refunded", 1000)


async def test_refund_order_refunds_what_is_left(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(client, stripe)
    stripe.objects[order["payment_intent"]]["refunded"] = 250
    part = {"id": "re_part", "amount": 250, "status": "succeeded", "currency": "eur"}
    await deliver(client, make_event("refund.created", {**part, "payment_intent": order["payment_intent"]}))

    answer = (await refund(client, order)).json()

    assert (answer["status"], answer["amount_refunded"]) == ("refunded", 1250)
    assert [each["amount"] for each in refunds(stripe)] == [1000]


async def test_refund_order_refuses_a_disputed_order(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(client, stripe)
    dispute = {"id": "du_1", "amount": 1250, "currency": "eur", "status": "needs_response"}
    await deliver(client, make_event("charge.dispute.created", {**dispute, "payment_intent": order["payment_intent"]}))

    problem(await refund(client, order), 409, "BUSINESS_RULE_VIOLATED")
    assert refunds(stripe) == []
