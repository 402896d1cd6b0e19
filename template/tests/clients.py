"""Callers of the application, each from an address of its own: no test uses up another's limits. Problems they get."""

import itertools
from ipaddress import IPv4Address
from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

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


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, checked for what all of them have."""
    said = f"expected the problem {status} {code}, got {answer.status_code}: {answer.text}"
    assert answer.status_code == status, said
    assert answer.headers.get("Content-Type") == "application/problem+json", said
    found: dict[str, Any] = answer.json()
    assert (found["type"], found["status"], found["error_code"]) == ("about:blank", status, code), said
    assert found["title"], said
    assert found["detail"], said
    assert found["request_id"] == answer.headers["X-Request-ID"], said
    assert "planted" not in answer.text, said
    return found
