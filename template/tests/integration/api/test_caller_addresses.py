"""Limits by address tell callers apart, in each form in which their addresses arrive."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest
import time_machine
import uvicorn
from fastapi import FastAPI
from httpx import AsyncClient, AsyncHTTPTransport
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.security import with_mapped_forms
from tests.clients import make_client
from tests.logins import allowing_guesses

pytestmark = pytest.mark.anyio

# More than any route allows an address in its time.
ENOUGH = 100
# Each is a way in which an IPv4 caller arrives.
FORMS: dict[str, Callable[[IPv4Address], str]] = {
    "plain": str,
    "dual-stack socket": lambda address: f"::ffff:{address}",
    "NAT64": lambda address: str(IPv6Address("64:ff9b::") + int(address)),
    "SIIT": lambda address: str(IPv6Address("::ffff:0:0:0") + int(address)),
    "6to4": lambda address: str(IPv6Address((0x2002 << 112) + (int(address) << 80) + 1)),
    "Teredo": lambda address: str(IPv6Address((0x20010000 << 96) + (int(address) ^ 0xFFFFFFFF))),
}


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
    }
    limited = {
        path
        for path, item in app.openapi()["paths"].items()
        for operation in item.values()
        if "429" in operation["responses"]
    }
    # A session's own limit, which goes by no address.
    limited.discard("/api/v1/auth/password")
    assert limited == bodies.keys(), "give each route that is limited a body above"
    return bodies


async def exhaust(client: AsyncClient, path: str, body: Callable[[int], object]) -> None:
    for number in range(ENOUGH):
        if (await client.post(path, json=body(number))).status_code == 429:
            return
    raise AssertionError(f"{path} is not limited by address")


async def test_limits_tell_callers_apart_and_know_each_again_in_every_form(
    app: FastAPI, transaction: AsyncConnection
) -> None:
    for path, body in limited_requests(app).items():
        await exhaust(make_client(app, address="::ffff:192.0.2.1"), path, body)
        refused: dict[str, list[bool]] = {}
        for address in (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")):
            for number, (form, written) in enumerate(FORMS.items(), ENOUGH):
                answer = await make_client(app, address=written(address)).post(path, json=body(number))
                refused.setdefault(form, []).append(answer.status_code == 429)
        assert refused == {form: [True, False] for form in FORMS}, path


async def test_limits_take_a_network_of_ipv6_for_one_caller(app: FastAPI, transaction: AsyncConnection) -> None:
    path, body = next(iter(limited_requests(app).items()))
    await exhaust(make_client(app, address="2001:db8::1"), path, body)
    others = ("2001:db8::ffff", "2001:0DB8:0::2", "2001:db8:0:1::1", "64:ff9b:1::1", "64:ff9b:1::2")
    statuses = [(await make_client(app, address=address).post(path, json=body(0))).status_code for address in others]

    assert [status == 429 for status in statuses] == [True, True, False, False, False]


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
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, forwarded_allow_ips=trusted))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        one, two = (
            AsyncClient(
                transport=AsyncHTTPTransport(local_address=peer), base_url=url, headers={"X-Forwarded-For": address}
            )
            for peer, address in zip(peers, forwarded, strict=True)
        )
        async with one, two:
            await exhaust(one, path, body)
            assert (await two.post(path, json=body(0))).status_code != 429
        server.should_exit = True
        await serving
