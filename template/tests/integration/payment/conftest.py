"""Payments of the application: at a Stripe of our own, or simulated."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from app.core import monitor
from app.core.database import get_async_session
from app.core.events import get_event_bus
from app.models.domain.order import Order
from app.models.events.order import OrderStatusChanged
from tests.orders import payments_at_stripe, payments_switched_off
from tests.servers.stripe import StripeServer


@pytest.fixture
async def stripe(app: FastAPI) -> AsyncIterator[StripeServer]:
    """Stripe, where payments go."""
    async with payments_at_stripe() as server:
        yield server


@pytest.fixture
async def no_stripe(app: FastAPI) -> AsyncIterator[None]:
    """Payments are simulated, as in development."""
    async with payments_switched_off():
        yield


@pytest.fixture
async def told(app: FastAPI) -> AsyncIterator[list[str]]:
    """The statuses of orders, as a subscriber is told after each commit, which looks the order up at once."""
    statuses: list[str] = []

    async def listen(event: OrderStatusChanged) -> None:
        async with get_async_session() as session:
            await (await session.orm()).get_one(Order, event.order_id)
        statuses.append(event.status)

    get_event_bus().subscribe(OrderStatusChanged, listen)
    yield statuses
    get_event_bus().unsubscribe(OrderStatusChanged, listen)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that ask a person to look at something."""
    messages: list[str] = []
    monkeypatch.setattr(monitor, "capture_message", lambda message, *_, **__: messages.append(message))
    return messages
