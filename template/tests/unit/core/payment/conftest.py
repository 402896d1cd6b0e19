"""Both ways to pay: at a Stripe of our own through the real library, and simulated."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from app.core.http import HttpClients
from tests.applications import process_of_its_own, process_with
from tests.orders import payments_at_stripe, payments_switched_off
from tests.servers.stripe import StripeServer

WAYS: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
    "at stripe": payments_at_stripe,
    "simulated": payments_switched_off,
}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def http() -> AsyncIterator[None]:
    """The process's client, on a process of its own."""
    clients = HttpClients()
    with process_of_its_own(), process_with(clients):
        yield
        await clients.close()


@pytest.fixture(params=WAYS)
async def way(request: pytest.FixtureRequest, http: None) -> AsyncIterator[str]:
    """Each of them in turn."""
    async with WAYS[request.param]():
        yield request.param


@pytest.fixture
async def stripe(http: None) -> AsyncIterator[StripeServer]:
    """Stripe, where payments go."""
    async with payments_at_stripe(attempts=3, total_seconds=5) as server:
        yield server
