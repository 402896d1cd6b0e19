"""Webhooks that are not Stripe's, not recent or not what they say: refused, and without a trace."""

import json
import time
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.clients import problem
from tests.orders import (
    WEBHOOKS,
    deliver,
    make_event,
    make_unheard_payment,
    payments_switched_off,
    read_inbox,
    sign,
    status_of,
)
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "how",
    [{"secret": "whsec_of_another"}, {"at": time.time() - 10_000}, None],
    ids=["forged", "old", "none"],
)
async def test_receive_event_refuses_what_is_not_stripe_s_or_old(
    how: dict[str, Any] | None, client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    order, event = await make_unheard_payment(client, stripe)
    body = json.dumps(event).encode()
    headers = {} if how is None else {"Stripe-Signature": sign(body, **how)}

    problem(await client.post(WEBHOOKS, content=body, headers=headers), 403, "SIGNATURE_INVALID")

    assert await read_inbox(transaction) == []
    assert await status_of(client, order) == "pending"


async def test_receive_event_checks_the_signature_of_the_bytes_as_they_came(
    client: AsyncClient, stripe: StripeServer
) -> None:
    _, event = await make_unheard_payment(client, stripe)
    compact, spaced = json.dumps(event, separators=(",", ":")).encode(), json.dumps(event, indent=2).encode()

    answer = await client.post(WEBHOOKS, content=spaced, headers={"Stripe-Signature": sign(compact)})
    problem(answer, 403, "SIGNATURE_INVALID")
    answer = await client.post(WEBHOOKS, content=spaced, headers={"Stripe-Signature": sign(spaced)})
    assert answer.json() == {"outcome": "handled"}


async def test_receive_event_takes_no_connection_for_a_wrong_signature(
    client: AsyncClient, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        pytest.fail("the inbox was asked")

    monkeypatch.setattr("app.repositories.webhook_events.insert_event", refuse)
    problem(await client.post(WEBHOOKS, content=b"{}"), 403, "SIGNATURE_INVALID")


async def test_receive_event_bounds_the_body(client: AsyncClient, stripe: StripeServer) -> None:
    problem(await client.post(WEBHOOKS, content=b"x" * 1_048_577), 413, "BODY_TOO_LARGE")


async def test_receive_event_needs_no_credentials(anonymous: AsyncClient, stripe: StripeServer) -> None:
    assert (await deliver(anonymous, make_event("plan.created", {"object": "plan"}))).status_code == 200


async def test_receive_event_refuses_content_that_its_type_does_not_promise(
    client: AsyncClient, transaction: AsyncConnection, stripe: StripeServer
) -> None:
    event = make_event("checkout.session.completed", {"object": "checkout.session", "id": "cs_1"})

    problem(await deliver(client, event), 422, "VALIDATION_ERROR")

    assert await read_inbox(transaction) == []


async def test_receive_event_needs_a_secret_without_stripe(client: AsyncClient) -> None:
    event = make_event("plan.created", {"object": "plan"})
    problem(await deliver(client, event), 403, "SIGNATURE_INVALID")
    async with payments_switched_off():
        assert (await deliver(client, event)).json() == {"outcome": "ignored"}
