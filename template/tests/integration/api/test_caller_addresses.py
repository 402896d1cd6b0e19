"""Limits by address tell callers apart, over IPv4, a dual-stack socket and a proxy."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
import time_machine
from fastapi import FastAPI
from httpx import AsyncClient, AsyncHTTPTransport
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.security import with_mapped_forms
from tests.applications import served
from tests.clients import make_client
from tests.logins import allowing_guesses

pytestmark = pytest.mark.anyio

# More than any route allows an address in its time.
ENOUGH = 100


@pytest.fixture(autouse=True)
def one_guess(app: FastAPI) -> Iterator[None]:
    """Allow an address ten wrong passwords, and let no time pass: allowances grow back with the clock."""
    with allowing_guesses(1), time_machine.travel(time.time(), tick=False):
        yield


def limited_requests(app: FastAPI) -> dict[str, Callable[[int], object]]:
    """Return bodies, wrong ones where only those count, for each path whose documentation has a 429."""
    bodies: dict[str, Callable[[int], object]] = {
        "/api/v1/auth/register": lambda _: {"email": "no address", "password": "x"},
        "/api/v1/auth/login": lambda number: {"email": f"user-{number}@example.com", "password": "wrong"},
        "/api/v1/auth/refresh": lambda _: {"refresh_token": "rt_unknown"},
        "/api/v1/auth/verify": lambda _: {"token": "unknown"},
        "/api/v1/auth/verify/resend": lambda number: {"email": f"user-{number}@example.com"},
        "/api/v1/auth/reset": lambda number: {"email": f"user-{number}@example.com"},
        "/api/v1/auth/reset/confirm": lambda _: {"token": "unknown", "password": "correct horse battery"},
        "/api/v1/auth/email/confirm": lambda _: {"token": "unknown"},
    }
    limited = {
        path
        for path, item in app.openapi()["paths"].items()
        for operation in item.values()
        if "429" in operation["responses"]
    }
    # These need a session, which has a limit of its own.
    limited -= {"/api/v1/auth/password", "/api/v1/users/me/email"}
    assert limited == bodies.keys(), "give each route that is limited a body above"
    return bodies


async def exhaust(client: AsyncClient, path: str, body: Callable[[int], object]) -> None:
    number = 0
    while (await client.post(path, json=body(number))).status_code != 429:
        number += 1
        assert number < ENOUGH, f"{path} is not limited by address"


async def test_limits_tell_callers_apart_and_know_each_again(app: FastAPI, transaction: AsyncConnection) -> None:
    for path, body in limited_requests(app).items():
        await exhaust(make_client(app, address="::ffff:192.0.2.1"), path, body)
        for address, refused in (("192.0.2.1", True), ("::ffff:192.0.2.1", True), ("::ffff:192.0.2.2", False)):
            answer = await make_client(app, address=address).post(path, json=body(ENOUGH))
            assert (answer.status_code == 429) is refused, f"{path} {address}"


@pytest.mark.parametrize(
    ("peers", "forwarded"),
    [(["127.66.0.1", "127.66.0.2"], ["203.0.113.1"] * 2), (["127.77.0.1"] * 2, ["203.0.113.1", "203.0.113.2"])],
    ids=["callers", "a proxy's callers"],
)
async def test_limits_tell_callers_of_a_dual_stack_socket_apart(
    peers: list[str], forwarded: list[str], app: FastAPI, transaction: AsyncConnection
) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    path, body = next(iter(limited_requests(app).items()))
    trusted = with_mapped_forms("fd00::/8, 127.77.0.0/16")
    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    async with served(app, listening, forwarded_allow_ips=trusted) as url:
        one, two = (
            AsyncClient(
                transport=AsyncHTTPTransport(local_address=peer), base_url=url, headers={"X-Forwarded-For": address}
            )
            for peer, address in zip(peers, forwarded, strict=True)
        )
        async with one, two:
            await exhaust(one, path, body)
            assert (await two.post(path, json=body(0))).status_code != 429
