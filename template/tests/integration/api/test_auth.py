"""Registering, logging in, staying logged in, logging out."""

import asyncio
import dataclasses
from typing import Any

import pytest
from dirty_equals import IsDatetime, IsInt, IsStr, IsUUID
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.api.state import ProcessState
from app.core.config.auth import SignUp
from tests.clients import make_client
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.anyio

AUTH = "/api/v1/auth"
ME = "/api/v1/users/me"


@pytest.fixture
def process(app: FastAPI) -> ProcessState:
    state: ProcessState = app.state.process
    return state


async def register(client: AsyncClient, email: str = "ada@example.com", password: str = PASSWORD) -> Response:
    return await client.post(f"{AUTH}/register", json={"email": email, "password": password})


async def log_in(client: AsyncClient, email: str = "ada@example.com", password: str = PASSWORD) -> Response:
    return await client.post(f"{AUTH}/login", json={"email": email, "password": password})


async def refresh(client: AsyncClient, tokens: dict[str, Any]) -> Response:
    return await client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]})


async def me(client: AsyncClient, tokens: dict[str, Any]) -> Response:
    return await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})


async def test_a_user_registers_logs_in_and_is_known(anonymous: AsyncClient, process: ProcessState) -> None:
    registered = await register(anonymous, "Ada@Example.com")
    tokens = await log_in(anonymous, "ADA@example.com")

    assert registered.status_code == 201
    assert registered.json() == {
        "id": IsUUID(),
        "email": "ada@example.com",
        "scopes": sorted(process.user_scopes),
        "created_at": IsDatetime(iso_string=True),
    }
    assert tokens.status_code == 200
    assert tokens.json() == {
        "access_token": IsStr(),
        "refresh_token": IsStr(regex=r"rt_[\w-]{43}"),
        "token_type": "Bearer",
        "expires_in": 900,
    }
    assert (await me(anonymous, tokens.json())).json() == registered.json()


async def test_an_address_is_registered_once_however_it_is_spelt(anonymous: AsyncClient) -> None:
    await register(anonymous, "ada@example.com")

    refused = await register(anonymous, "ADA@example.com")

    assert refused.status_code == 409
    assert refused.json()["error_code"] == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "ada"}, "body.email"),
        ({"email": f"{'a' * 250}@example.com"}, "body.email"),
        ({"email": "a\0da@example.com"}, "body.email"),
        ({"password": "short"}, "body.password"),
        ({"password": "x" * 129}, "body.password"),
        ({"password": "correct horse\0battery"}, "body.password"),
        ({"password": None}, "body.password"),
        ({"scopes": ["admin"]}, "body.scopes"),
    ],
)
async def test_a_malformed_registration_is_refused_without_repeating_the_password(
    anonymous: AsyncClient, changes: dict[str, Any], field: str
) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, **changes}

    refused = await anonymous.post(f"{AUTH}/register", json=body)

    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert str(body["password"]) not in refused.text


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(anonymous: AsyncClient) -> None:
    await register(anonymous)

    wrong = await log_in(anonymous, password="wrong horse battery staple")
    unknown = await log_in(anonymous, email="bob@example.com")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


async def test_guessing_is_slowed_down_by_account_and_address_and_success_costs_nothing(
    app: FastAPI, anonymous: AsyncClient
) -> None:
    await register(anonymous)
    for _ in range(8):
        assert (await log_in(anonymous)).status_code == 200

    guesses = [await log_in(anonymous, password=f"guess number {number}") for number in range(6)]
    async with make_client(app) as elsewhere:
        from_elsewhere = await log_in(elsewhere)

    assert [guess.status_code for guess in guesses] == [401] * 5 + [429]
    assert guesses[-1].json()["error_code"] == "RATE_LIMITED"
    assert int(guesses[-1].headers["Retry-After"]) == IsInt(ge=1, le=181)
    assert (await log_in(anonymous)).status_code == 429, "not even the right password gets through"
    assert from_elsewhere.status_code == 200


async def test_guessing_in_parallel_does_not_slip_through(scratch_client: AsyncClient) -> None:
    await register(scratch_client)

    guesses = await asyncio.gather(*(log_in(scratch_client, password=f"guess number {number}") for number in range(12)))

    assert sorted(guess.status_code for guess in guesses) == [401] * 5 + [429] * 7


async def test_one_address_cannot_try_many_accounts(anonymous: AsyncClient) -> None:
    guesses = [await log_in(anonymous, email=f"user-{number}@example.com") for number in range(51)]

    assert [guess.status_code for guess in guesses] == [401] * 50 + [429]


async def test_registration_is_limited_by_address(app: FastAPI, anonymous: AsyncClient) -> None:
    answers = [await register(anonymous, f"user-{number}@example.com") for number in range(21)]
    async with make_client(app, address="2001:db8::1") as one, make_client(app, address="2001:db8::ffff") as two:
        neighbours = [await register(one, password="x") for _ in range(20)] + [await register(two, password="x")]

    assert [answer.status_code for answer in answers] == [201] * 20 + [429]
    assert [answer.status_code for answer in neighbours][-1] == 429, "a network of IPv6 counts as one caller"


async def test_a_refresh_token_is_good_once_and_gives_a_new_pair(anonymous: AsyncClient) -> None:
    await register(anonymous)
    first = (await log_in(anonymous)).json()

    second = (await refresh(anonymous, first)).json()
    third = (await refresh(anonymous, second)).json()

    assert len({each["refresh_token"] for each in (first, second, third)}) == 3
    assert (await me(anonymous, third)).status_code == 200


async def test_a_reused_refresh_token_ends_the_session_for_everybody(anonymous: AsyncClient) -> None:
    await register(anonymous)
    stolen = (await log_in(anonymous)).json()
    other_session = (await log_in(anonymous)).json()
    thief = (await refresh(anonymous, stolen)).json()

    reused = await refresh(anonymous, stolen)

    assert reused.status_code == 401
    assert (await refresh(anonymous, thief)).status_code == 401, "the family's newest token is refused, too"
    assert (await me(anonymous, thief)).status_code == 401, "and so are its access tokens"
    assert (await me(anonymous, stolen)).status_code == 401
    assert (await me(anonymous, other_session)).status_code == 200
    assert (await refresh(anonymous, other_session)).status_code == 200


async def test_of_parallel_uses_of_one_refresh_token_at_most_one_succeeds(
    app: FastAPI, scratch_client: AsyncClient
) -> None:
    await register(scratch_client)
    tokens = (await log_in(scratch_client)).json()

    answers = await asyncio.gather(*(refresh(scratch_client, tokens) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (await refresh(scratch_client, winner)).status_code == 401, "the others were reuse"


@pytest.mark.parametrize("token", ["", "rt_", "x" * 200, "rt_" + "A" * 43, "é", "\0", "' OR 1=1 --"])
async def test_a_refresh_token_that_nobody_was_given_is_refused(anonymous: AsyncClient, token: str) -> None:
    refused = await anonymous.post(f"{AUTH}/refresh", json={"refresh_token": token})

    assert refused.status_code == 401


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(anonymous: AsyncClient) -> None:
    await register(anonymous)
    tokens = (await log_in(anonymous)).json()
    swapped = {"access_token": tokens["refresh_token"], "refresh_token": tokens["access_token"][:200]}

    assert (await me(anonymous, swapped)).status_code == 401
    assert (await refresh(anonymous, swapped)).status_code == 401


async def test_logging_out_ends_this_session_at_once_and_no_other(anonymous: AsyncClient) -> None:
    await register(anonymous)
    here, there = (await log_in(anonymous)).json(), (await log_in(anonymous)).json()

    left = await anonymous.post(f"{AUTH}/logout", headers={"Authorization": f"Bearer {here['access_token']}"})

    assert left.status_code == 204
    assert (await me(anonymous, here)).status_code == 401
    assert (await refresh(anonymous, here)).status_code == 401
    assert (await me(anonymous, there)).status_code == 200


async def test_a_changed_password_ends_all_other_sessions(anonymous: AsyncClient) -> None:
    await register(anonymous)
    here, there = (await log_in(anonymous)).json(), (await log_in(anonymous)).json()
    new = "a new horse battery staple"

    changed = await anonymous.post(
        f"{AUTH}/password",
        json={"current_password": PASSWORD, "new_password": new},
        headers={"Authorization": f"Bearer {here['access_token']}"},
    )

    assert changed.status_code == 204
    assert (await me(anonymous, here)).status_code == 200
    assert (await me(anonymous, there)).status_code == 401
    assert (await refresh(anonymous, there)).status_code == 401
    assert (await log_in(anonymous)).status_code == 401
    assert (await log_in(anonymous, password=new)).status_code == 200


async def test_a_password_is_changed_only_by_who_knows_it(anonymous: AsyncClient) -> None:
    await register(anonymous)
    headers = {"Authorization": f"Bearer {(await log_in(anonymous)).json()['access_token']}"}
    body = {"current_password": "wrong horse battery", "new_password": "a new horse battery staple"}

    answers = [await anonymous.post(f"{AUTH}/password", json=body, headers=headers) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert (await log_in(anonymous)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic YWRhOnB3"},
        {"Authorization": "Bearer " + "x" * 8000},
        {"X-API-Key": "ak_unknown"},
        {"X-API-Key": ""},
    ],
    ids=str,
)
async def test_without_credentials_that_hold_nobody_is_known(anonymous: AsyncClient, headers: dict[str, str]) -> None:
    refused = await anonymous.get(ME, headers=headers)

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.json()["error_code"] == "AUTHENTICATION_FAILED"


async def test_a_token_outlives_its_user_by_its_own_lifetime_only_where_no_query_is_made(
    anonymous: AsyncClient, process: ProcessState, transaction: Any
) -> None:
    user, tokens = await make_user(process)
    await transaction.exec_driver_sql("UPDATE users SET is_active = false")

    headers = {"Authorization": f"Bearer {tokens.access_token}"}

    assert (await anonymous.get(ME, headers=headers)).status_code == 404
    assert (await refresh(anonymous, tokens.model_dump())).status_code == 401
    assert (await log_in(anonymous, email=user.email)).status_code == 401


async def test_a_closed_service_registers_nobody(app: FastAPI, anonymous: AsyncClient, process: ProcessState) -> None:
    app.state.process = dataclasses.replace(process, sign_up=SignUp.CLOSED)
    try:
        refused = await register(anonymous)
    finally:
        app.state.process = process

    assert refused.status_code == 403
    assert refused.json()["error_code"] == "PERMISSION_DENIED"
