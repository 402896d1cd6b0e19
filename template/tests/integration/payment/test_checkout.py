"""Paying for an order: once, whatever fails on the way."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import payment
from app.core.database import get_database_stats
from app.repositories import orders
from tests.clients import problem
from tests.orders import (
    ORDERS,
    checkout,
    deliver,
    make_event,
    make_order,
    make_paid_order,
    payments_at_stripe,
    status_of,
)
from tests.servers.http import hang, reply, then_reset
from tests.servers.stripe import Refusal, StripeServer

pytestmark = pytest.mark.anyio


def session_of(page: dict[str, Any]) -> str:
    found: str = page["url"].rpartition("/")[2]
    return found


async def start(client: AsyncClient, order: dict[str, Any]) -> Any:
    return await client.post(f"{ORDERS}/{order['id']}/checkout")


async def test_start_checkout_leads_to_a_paid_order_when_stripe_says_so(
    client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_order(client)
    page = await checkout(client, order)

    assert page["order_id"] == order["id"]
    assert page["url"].startswith("https://checkout.stripe.com/")
    assert page["test_mode"] is True
    assert await status_of(client, order) == "pending"
    session = stripe.pay(session_of(page))
    assert (session["amount_total"], session["currency"]) == (order["amount"], order["currency"])
    answer = await deliver(client, make_event("checkout.session.completed", session))

    assert (answer.status_code, answer.json()) == (200, {"outcome": "handled"})
    found = (await client.get(f"{ORDERS}/{order['id']}")).json()
    assert found["status"] == "paid"
    assert found["paid_at"]
    assert found["test_mode"] is True


async def test_start_checkout_answers_the_same_page_until_it_expires(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_order(client)

    assert await checkout(client, order) == await checkout(client, order)
    assert len(stripe.http.requests) == 1


async def test_start_checkout_answers_one_page_to_many_at_once(
    scratch_client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_order(scratch_client)

    pages = await asyncio.gather(*(checkout(scratch_client, order) for _ in range(8)))

    assert all(page == pages[0] for page in pages)
    assert len(stripe.effects) == 1


async def test_start_checkout_refuses_an_order_that_is_paid(client: AsyncClient, stripe: StripeServer) -> None:
    order = await make_paid_order(client, stripe)

    problem(await start(client, order), 409, "BUSINESS_RULE_VIOLATED")


async def test_start_checkout_makes_up_a_paid_page_without_stripe(client: AsyncClient, no_stripe: None) -> None:
    order = await make_order(client)

    page = await checkout(client, order)

    assert page["test_mode"] is True
    assert page["url"] == f"http://127.0.0.1:8000/docs?reference={order['id']}&outcome=done"
    found = (await client.get(f"{ORDERS}/{order['id']}")).json()
    assert (found["status"], found["test_mode"]) == ("paid", True)


async def test_start_checkout_holds_no_connection_while_stripe_is_asked(
    scratch_client: AsyncClient, app: FastAPI
) -> None:
    order = await make_order(scratch_client)
    async with payments_at_stripe() as stripe:
        stripe.faults.append(hang())
        asking = asyncio.create_task(start(scratch_client, order))
        while not stripe.http.requests:  # noqa: ASYNC110 — the server knows no event
            await asyncio.sleep(0.005)
        assert get_database_stats().in_use == 0
        asking.cancel()
        await asyncio.wait([asking])


async def test_start_checkout_repeats_a_lost_call_under_the_same_key(client: AsyncClient, app: FastAPI) -> None:
    order = await make_order(client)
    async with payments_at_stripe(attempts=1) as stripe:
        stripe.lost.append(then_reset(b""))
        problem(await start(client, order), 503, "PAYMENT_UNAVAILABLE")
        page = await checkout(client, order)

        assert stripe.effects == [session_of(page)]
        assert stripe.keys == [f"order-{order['id']}-checkout-1"] * 2


async def test_start_checkout_makes_no_second_page_after_a_crash(
    client: AsyncClient, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await make_order(client)
    with monkeypatch.context() as patch:

        async def crash(*_: object) -> None:
            raise RuntimeError("the power went out")

        patch.setattr(orders, "update_order", crash)
        assert (await start(client, order)).status_code == 500
    page = await checkout(client, order)

    assert stripe.effects == [session_of(page)]


async def test_start_checkout_takes_a_new_key_after_a_failure_that_stripe_keeps(
    client: AsyncClient, app: FastAPI
) -> None:
    order = await make_order(client)
    async with payments_at_stripe(attempts=1) as stripe:
        stripe.refusals.append(Refusal(500, "api_error"))
        problem(await start(client, order), 503, "PAYMENT_UNAVAILABLE")
        await checkout(client, order)

        assert stripe.keys == [f"order-{order['id']}-checkout-{attempt}" for attempt in (1, 2)]


async def test_start_checkout_answers_a_refusal_of_stripe_as_a_problem(
    client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_order(client, amount=1)
    stripe.refusals.append(Refusal(400, "invalid_request_error", "amount_too_small", param="amount"))

    found = problem(await start(client, order), 409, "PAYMENT_REFUSED")

    assert found["details"]["code"] == "amount_too_small"
    assert await status_of(client, order) == "pending"


async def test_start_checkout_makes_another_page_after_one_that_expired(
    client: AsyncClient, stripe: StripeServer
) -> None:
    order = await make_order(client)
    first = await checkout(client, order)
    session = stripe.objects[session_of(first)]
    session.update(status="expired", url=None)
    expired = make_event("checkout.session.expired", session)
    assert (await deliver(client, expired)).json() == {"outcome": "handled"}

    second = await checkout(client, order)

    assert second["url"] != first["url"]
    # What is said late of the first page does not touch the second.
    assert (await deliver(client, {**expired, "id": "evt_late"})).status_code == 200
    assert await checkout(client, order) == second


async def test_start_checkout_looks_up_a_page_that_expired_unheard(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order = await make_order(client)
    first = await checkout(client, order)
    await _let_expire(transaction)
    stripe.objects[session_of(first)].update(status="expired", url=None)

    second = await checkout(client, order)

    assert second["url"] != first["url"]
    assert stripe.keys == [f"order-{order['id']}-checkout-1", None, f"order-{order['id']}-checkout-2"]


async def test_start_checkout_finds_a_page_that_was_paid_in_its_last_second(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order = await make_order(client)
    page = await checkout(client, order)
    await _let_expire(transaction)
    stripe.pay(session_of(page))

    problem(await start(client, order), 409, "BUSINESS_RULE_VIOLATED")

    # The webhook need not even arrive.
    assert await status_of(client, order) == "paid"
    assert len(stripe.effects) == 2


async def test_start_checkout_keeps_a_page_that_is_open_by_stripe_s_clock(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order = await make_order(client)
    page = await checkout(client, order)
    await _let_expire(transaction)

    assert (await checkout(client, order))["url"] == page["url"]
    assert len(stripe.effects) == 1


async def test_start_checkout_replaces_a_page_of_another_account(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order = await make_order(client)
    page = await checkout(client, order)
    await _let_expire(transaction)
    del stripe.objects[session_of(page)]

    assert (await checkout(client, order))["url"] != page["url"]


async def test_start_checkout_starts_nothing_after_a_look_up_that_failed(
    client: AsyncClient, transaction: AsyncConnection, app: FastAPI
) -> None:
    order = await make_order(client)
    async with payments_at_stripe(attempts=1) as stripe:
        await checkout(client, order)
        await _let_expire(transaction)
        body = json.dumps({"error": {"type": "invalid_request_error", "code": "secret_key_required"}}).encode()
        stripe.faults.extend([reply(400, body), then_reset(b"")])
        problem(await start(client, order), 409, "PAYMENT_REFUSED")
        problem(await start(client, order), 503, "PAYMENT_UNAVAILABLE")

        assert len(stripe.effects) == 1


async def test_start_checkout_does_not_show_a_page_that_closed_with_another_amount(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order = await make_order(client)
    page = await checkout(client, order)
    await _let_expire(transaction)
    stripe.pay(session_of(page), amount_total=1)

    problem(await start(client, order), 409, "BUSINESS_RULE_VIOLATED")
    assert len(stripe.keys) == 2


async def test_start_checkout_does_not_show_a_page_that_was_overtaken(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await make_order(client)
    really = payment.create_checkout_session

    async def overtaken(*arguments: Any, **named: Any) -> payment.CheckoutSession:
        made = await really(*arguments, **named)
        await transaction.execute(text("UPDATE orders SET checkout_attempt = checkout_attempt + 1"))
        return made

    with monkeypatch.context() as patch:
        patch.setattr(payment, "create_checkout_session", overtaken)
        problem(await start(client, order), 409, "BUSINESS_RULE_VIOLATED")
    assert session_of(await checkout(client, order)) == stripe.effects[-1]


async def _let_expire(connection: AsyncConnection) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    await connection.execute(text("UPDATE orders SET checkout_expires_at = :past"), {"past": past})
