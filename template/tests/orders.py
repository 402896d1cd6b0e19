"""Orders, what Stripe sends about them, and a Stripe to pay them at."""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

from httpx import AsyncClient, Response
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core import payment
from app.core.config.section import Environment
from app.core.config.stripe import StripeSettings
from tests.applications import process_with
from tests.servers.stripe import KEY, StripeServer, stripe_server

ORDERS = "/api/v1/orders"
WEBHOOKS = "/webhooks/stripe"
WEBHOOK_SECRET = "whsec_of_the_tests"

_numbers = itertools.count(1)


def make_stripe_settings(**changes: Any) -> StripeSettings:
    """Settings that switch it on; no call that a busy machine would answer takes longer than this."""
    return StripeSettings(
        **{
            "enabled": True,
            "secret_key": SecretStr(KEY),
            "webhook_secret": SecretStr(WEBHOOK_SECRET),
            "return_url": "https://www.example.com/orders?shop=1",
            "timeout_seconds": 10,
            **changes,
        }
    )


@asynccontextmanager
async def payments_at_stripe(**changes: Any) -> AsyncIterator[StripeServer]:
    """Payments of this process go to a Stripe of our own for as long as the context lasts."""
    async with stripe_server() as server:
        with payments_at(server, **changes):
            yield server


@contextmanager
def payments_at(server: StripeServer, **changes: Any) -> Iterator[None]:
    """Payments of this process go to that Stripe, with these settings."""
    settings = make_stripe_settings(**{"api_base": server.http.url, **changes})
    with process_with(payment.make_payments(settings, Environment.DEVELOPMENT)):
        yield


@asynccontextmanager
async def payments_switched_off(
    environment: Environment = Environment.DEVELOPMENT, **changes: Any
) -> AsyncIterator[None]:
    """Payments of this process are simulated, or refused in production; webhooks have a secret."""
    settings = StripeSettings(**{"webhook_secret": SecretStr(WEBHOOK_SECRET), **changes})
    with process_with(payment.make_payments(settings, environment)):
        yield


async def make_order(client: AsyncClient, **values: Any) -> dict[str, Any]:
    """An order, made through the API."""
    content = {"description": "A donation", "amount": 1250, "currency": "eur", **values}
    answer = await client.post(ORDERS, json=content, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = answer.json()
    return order


async def checkout(client: AsyncClient, order: dict[str, Any]) -> dict[str, Any]:
    """Return the page to pay on."""
    answer = await client.post(f"{ORDERS}/{order['id']}/checkout")
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def status_of(client: AsyncClient, order: dict[str, Any]) -> str:
    """Return its status."""
    found: str = (await client.get(f"{ORDERS}/{order['id']}")).json()["status"]
    return found


async def make_paid_order(client: AsyncClient, stripe: StripeServer, **values: Any) -> dict[str, Any]:
    """An order that was paid at Stripe, which has said so."""
    order = await make_order(client, **values)
    page = await checkout(client, order)
    session = stripe.pay(page["url"].rpartition("/")[2])
    answer = await deliver(client, make_event("checkout.session.completed", session))
    assert answer.json() == {"outcome": "handled"}
    return {**order, "payment_intent": session["payment_intent"]}


def make_event(kind: str, subject: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An event in the shape of Stripe's API reference."""
    return {
        "id": f"evt_{next(_numbers)}_{uuid4().hex[:8]}",
        "object": "event",
        "api_version": "2026-09-30",
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        "data": {"object": dict(subject)},
        **changes,
    }


def sign(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """The header that Stripe would send with this body."""
    moment = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


async def deliver(client: AsyncClient, event: dict[str, Any], **how: Any) -> Response:
    """Send an event as Stripe does."""
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": sign(body, **how), "Content-Type": "application/json"}
    return await client.post(WEBHOOKS, content=body, headers=headers)


async def make_unheard_payment(client: AsyncClient, stripe: StripeServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order that is paid at Stripe, and the event that says so, not delivered yet."""
    order = await make_order(client)
    session = stripe.pay((await checkout(client, order))["url"].rpartition("/")[2])
    return order, make_event("checkout.session.completed", session)


async def read_inbox(connection: AsyncConnection | AsyncEngine) -> list[str]:
    """The types of the events that have been taken in."""
    statement = text("SELECT type FROM webhook_events ORDER BY id")
    if isinstance(connection, AsyncEngine):
        async with connection.connect() as own:
            return list((await own.execute(statement)).scalars())
    return list((await connection.execute(statement)).scalars())
