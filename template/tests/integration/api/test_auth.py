"""Registering, logging in, staying logged in, logging out."""

from typing import Any

import pytest
from dirty_equals import IsDatetime, IsStr, IsUUID
from httpx import AsyncClient

from app.core.config.auth import SignUp
from app.services.authentication import get_authentication
from tests.factories import PASSWORD, make_user
from tests.logins import AUTH, ME, log_in, me, refresh, register, with_authentication

pytestmark = pytest.mark.anyio


async def test_register_login_and_me_agree(anonymous: AsyncClient) -> None:
    registered = await register(anonymous, "Ada@Example.com")
    tokens = await log_in(anonymous, "ADA@example.com")

    assert registered.status_code == 201
    assert registered.json() == {
        "id": IsUUID(),
        "email": "ada@example.com",
        "role": "user",
        "scopes": sorted(get_authentication().roles["user"]),
        "created_at": IsDatetime(iso_string=True),
    }
    assert tokens.status_code == 200
    assert tokens.json() == {
        "access_token": IsStr(),
        "refresh_token": IsStr(regex=r"rt_[\w-]{43}"),
        "token_type": "Bearer",
        "expires_in": 900,
        "device_token": IsStr(regex=r"dt_[\w-]{22}\.[\w-]{43}"),
    }
    assert (await me(anonymous, tokens.json())).json() == registered.json()


async def test_register_refuses_a_taken_address_in_other_case(anonymous: AsyncClient) -> None:
    await register(anonymous, "ada@example.com")

    refused = await register(anonymous, "ADA@example.com")

    assert refused.status_code == 409
    assert refused.json()["error_code"] == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "ada"}, "body.email"),
        ({"email": "a\0da@example.com"}, "body.email"),
        ({"password": "short"}, "body.password"),
        ({"password": "correct horse\0battery"}, "body.password"),
        ({"password": None}, "body.password"),
        ({"scopes": ["admin"]}, "body.scopes"),
    ],
)
async def test_register_refuses_malformed_values_without_repeating_the_password(
    anonymous: AsyncClient, changes: dict[str, Any], field: str
) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, **changes}

    refused = await anonymous.post(f"{AUTH}/register", json=body)

    assert refused.status_code == 422
    assert refused.json()["field"] == field
    assert str(body["password"]) not in refused.text


async def test_login_answers_an_unknown_user_like_a_wrong_password(anonymous: AsyncClient) -> None:
    await register(anonymous)

    wrong = await log_in(anonymous, password="wrong horse battery staple")
    unknown = await log_in(anonymous, email="bob@example.com")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


@pytest.mark.parametrize("token", ["", "x" * 200, "rt_" + "A" * 43, "é", "\0"])
async def test_refresh_refuses_a_token_that_was_never_issued(anonymous: AsyncClient, token: str) -> None:
    refused = await anonymous.post(f"{AUTH}/refresh", json={"refresh_token": token})

    assert refused.status_code == 401


async def test_logout_ends_this_session_at_once_and_no_other(anonymous: AsyncClient) -> None:
    await register(anonymous)
    here, there = (await log_in(anonymous)).json(), (await log_in(anonymous)).json()

    left = await anonymous.post(f"{AUTH}/logout", headers={"Authorization": f"Bearer {here['access_token']}"})

    assert left.status_code == 204
    assert (await me(anonymous, here)).status_code == 401
    assert (await refresh(anonymous, here)).status_code == 401
    assert (await me(anonymous, there)).status_code == 200


async def test_change_password_ends_all_other_sessions(anonymous: AsyncClient) -> None:
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


async def test_change_password_needs_the_current_one(anonymous: AsyncClient) -> None:
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
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YWRhOnB3"},
        {"Authorization": "Bearer " + "x" * 8000},
        {"X-API-Key": "ak_unknown"},
    ],
    ids=str,
)
async def test_me_refuses_credentials_that_are_not_good(anonymous: AsyncClient, headers: dict[str, str]) -> None:
    refused = await anonymous.get(ME, headers=headers)

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.json()["error_code"] == "AUTHENTICATION_FAILED"


async def test_a_token_outlives_its_user_by_its_own_lifetime_only_where_no_query_is_made(
    anonymous: AsyncClient, transaction: Any
) -> None:
    user, tokens = await make_user()
    await transaction.exec_driver_sql("UPDATE users SET is_active = false")

    headers = {"Authorization": f"Bearer {tokens.access_token}"}

    assert (await anonymous.get(ME, headers=headers)).status_code == 404
    assert (await refresh(anonymous, tokens.model_dump())).status_code == 401
    assert (await log_in(anonymous, email=user.email)).status_code == 401


async def test_register_is_refused_where_sign_up_is_closed(anonymous: AsyncClient) -> None:
    with with_authentication(sign_up=SignUp.CLOSED):
        refused = await register(anonymous)

    assert refused.status_code == 403
    assert refused.json()["error_code"] == "PERMISSION_DENIED"
