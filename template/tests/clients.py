"""Callers of the application, each from an address of its own, so that no test uses up another's rate limits."""

import itertools
from ipaddress import IPv4Address

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.models.schemas.auth import Tokens

_addresses = (str(IPv4Address("10.0.0.1") + number) for number in itertools.count())


def make_client(app: FastAPI, tokens: Tokens | None = None, *, address: str | None = None) -> AsyncClient:
    """A client of the application in this process.

    Args:
        app: What to call.
        tokens: Credentials to send; none unless given.
        address: Where the calls come from; an unused address unless given.
    """
    headers = {"Authorization": f"Bearer {tokens.access_token}"} if tokens else {}
    transport = ASGITransport(app, client=(address or next(_addresses), 1))
    return AsyncClient(transport=transport, base_url="http://test", headers=headers)
