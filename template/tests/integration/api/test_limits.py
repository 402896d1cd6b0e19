"""Limits: of wrong passwords, and by address over IPv4, a dual-stack socket and a proxy."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from dirty_equals import IsInt
from fastapi import FastAPI
from httpx import AsyncClient, AsyncHTTPTransport
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config import ApplicationSettings
from app.core.security import with_mapped_forms
from tests.applications import running, served
from tests.clients import make_client, problem
from tests.databases import DatabaseServer, execute
from tests.factories import PASSWORD
from tests.logins import AUTH, allowing_guesses, bearer, log_in, register, unused_email

pytestmark = pytest.mark.anyio

# More than any route allows an address in its time.
ENOUGH = 100


@pytest.fixture
def email() -> str:
    return unused_email()


@pytest.fixture(autouse=True)
def two_guesses(app: FastAPI) -> Iterator[None]:
    """Two wrong passwords, in a time that stands still: allowances grow back with the clock."""
    with allowing_guesses(2), time_machine.travel(time.time(), tick=False):
        yield


async def guess(client: AsyncClient, email: str, times: int, **more: Any) -> list[int]:
    """Send wrong passwords, one after the other, and return the statuses."""
    return [(await log_in(client, email, f"guess {number}", **more)).status_code for number in range(times)]


async def guess_from_everywhere(app: FastAPI, email: str, times: int, **more: Any) -> list[int]:
    """Send wrong passwords, each from an address of its own, and return the statuses."""
    return [(await guess(make_client(app), email, 1, **more))[0] for _ in range(times)]


async def register_device(client: AsyncClient, email: str) -> dict[str, str]:
    """Register, and return the device token of the first login."""
    await register(client, email)
    return {"device_token": (await log_in(client, email)).json()["device_token"]}


async def test_login_counts_guesses_by_account_and_address_and_no_success(
    app: FastAPI, anonymous: AsyncClient, email: str
) -> None:
    await register(anonymous, email)
    assert {(await log_in(anonymous, email)).status_code for _ in range(8)} == {200}

    assert await guess(anonymous, email, 3) == [401] * 2 + [429]
    refused = await log_in(anonymous, email)

    problem(refused, 429, "RATE_LIMITED")  # not even the right password gets through
    assert int(refused.headers["Retry-After"]) == IsInt(ge=1, le=451)
    assert (await log_in(make_client(app), email)).status_code == 200


async def test_login_counts_guesses_in_parallel(scratch_client: AsyncClient, email: str) -> None:
    await register(scratch_client, email)

    guesses = await asyncio.gather(*(log_in(scratch_client, email, f"guess {number}") for number in range(12)))

    assert sorted(guess.status_code for guess in guesses) == [401] * 2 + [429] * 10


async def test_login_from_a_known_device_is_not_kept_out_by_strangers(
    app: FastAPI, anonymous: AsyncClient, email: str
) -> None:
    known = await register_device(anonymous, email)

    assert await guess_from_everywhere(app, email, 21) == [401] * 20 + [429]
    at_home = [await log_in(each, email, **known) for each in (anonymous, make_client(app))]

    assert (await log_in(make_client(app), email)).status_code == 429
    assert [answer.status_code for answer in at_home] == [200, 200]
    assert {answer.json()["device_token"] for answer in at_home} == set(known.values())


async def test_login_from_a_known_device_is_not_kept_out_by_its_address(anonymous: AsyncClient, email: str) -> None:
    await register(anonymous, email)
    session = (await log_in(anonymous, email)).json()
    neighbours = [(await log_in(anonymous, f"user-{number}@example.com")).status_code for number in range(21)]
    change = {"current_password": PASSWORD, "new_password": "a new horse battery staple"}

    assert neighbours == [401] * 20 + [429]
    assert (await log_in(anonymous, email)).status_code == 429
    assert (await log_in(anonymous, email, device_token=session["device_token"])).status_code == 200
    assert (await anonymous.post(f"{AUTH}/password", json=change, headers=bearer(session))).status_code == 204


async def test_login_counts_wrong_passwords_of_a_known_device_wherever_it_is(
    app: FastAPI, anonymous: AsyncClient, email: str
) -> None:
    known = await register_device(anonymous, email)

    assert await guess_from_everywhere(app, email, 3, **known) == [401] * 2 + [429]
    assert (await log_in(anonymous, email, **known)).status_code == 429
    assert (await log_in(anonymous, email)).status_code == 200, "the device is locked out, not the account"


async def test_login_takes_no_device_token_but_the_accounts_own(anonymous: AsyncClient, email: str) -> None:
    token = (await register_device(anonymous, email))["device_token"]
    name, _, signature = token.partition(".")
    forged = (
        (await register_device(anonymous, unused_email()))["device_token"],
        token[:-1],
        f"{token}A",
        f"{name[:-1]}{'A' if name[-1] != 'A' else 'B'}.{signature}",
        "dt_made.up",
        "é",
        "",
    )
    assert await guess(anonymous, email, 2) == [401] * 2

    refused = [(await log_in(anonymous, email, device_token=each)).status_code for each in forged]

    assert refused == [429] * len(forged)
    assert (await log_in(anonymous, email, device_token=token)).status_code == 200


async def test_login_counts_no_outage_of_the_database(
    settings: ApplicationSettings, server: DatabaseServer, scratch_url: str, email: str
) -> None:
    name = scratch_url.rpartition("/")[2].partition("?")[0]

    async def allow_connections(allowed: str) -> None:
        await asyncio.to_thread(execute, server.address, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}')
        await asyncio.to_thread(server.disconnect, name)

    async with running(settings.with_database_url(scratch_url)) as client:
        known = await register_device(client, email)
        await allow_connections("false")
        during = [await log_in(client, email, **device) for device in ({}, known) for _ in range(8)]
        await allow_connections("true")

        assert {answer.status_code for answer in during} == {503}
        for device in ({}, known):
            assert await guess(client, email, 6, **device) == [401] * 5 + [429]


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
