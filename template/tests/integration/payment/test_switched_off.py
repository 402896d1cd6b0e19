"""Production with Stripe chosen and switched off: routes that need it answer 503, and no payment is simulated."""

from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from app.core.config.section import Environment
from tests.clients import problem
from tests.orders import ORDERS, checkout, deliver, make_event, make_order, payments_switched_off, status_of

pytestmark = pytest.mark.anyio


async def test_routes_that_need_payments_answer_503(client: AsyncClient, app: FastAPI) -> None:
    async with payments_switched_off():
        paid = await make_order(client)
        await checkout(client, paid)
    async with payments_switched_off(Environment.PRODUCTION):
        order = await make_order(client)
        answers = [
            await client.post(f"{ORDERS}/{order['id']}/checkout"),
            await client.post(f"{ORDERS}/{paid['id']}/refund"),
            # The same for each caller: the answer does not depend on whether there is such an order, or on its state.
            *[
                await client.post(f"{ORDERS}/{order_id}/{action}")
                for action in ("checkout", "refund")
                for order_id in (order["id"], paid["id"], uuid4())
            ],
            await deliver(client, make_event("checkout.session.completed", {})),
        ]
        for answer in answers:
            problem(answer, 503, "PAYMENT_SWITCHED_OFF")
        assert await status_of(client, order) == "pending"
