"""Payments of the application: at a Stripe of our own, or made up."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from tests.orders import payments_at_stripe, payments_switched_off
from tests.servers.stripe import StripeServer


@pytest.fixture
async def stripe(app: FastAPI) -> AsyncIterator[StripeServer]:
    """Stripe, where payments go."""
    async with payments_at_stripe() as server:
        yield server


@pytest.fixture
async def no_stripe(app: FastAPI) -> AsyncIterator[None]:
    """Payments are made up, as in development."""
    async with payments_switched_off():
        yield
