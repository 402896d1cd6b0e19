"""Registering, logging in, changing the password, logging out."""

import json
from typing import Any

import pytest
from dirty_equals import IsDatetime, IsStr, IsUUID
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from app.services.authentication import get_authentication
from tests.clients import problem
from tests.factories import PASSWORD
from tests.logins import AUTH, ME, bearer, log_in, me, refresh, register, with_authentication
from tests.statements import at_most

pytestmark = pytest.mark.anyio

COMPOSED, DECOMPOSED = "\u00fcbergang \u00e0 gauche", "u\u0308bergang a\u0300 gauche"


async def test_register_login_and_me_agree(anonymous: AsyncClient) -> None:
    await register(anonymous, "Ada@Example.com")
    tokens = await log_in(anonymous, "ADA@example.com")

    assert tokens.status_code == 200
    assert (await me(anonymous, tokens.json())).json() == {
        "id": IsUUID(),
        "email": "ada@example.com",
        "role": "user",
        "scopes": sorted(get_authentication().roles["user"]),
        "created_at": IsDatetime(iso_string=True),
    }
    assert tokens.json() == {
        "access_token": IsStr(),
        "refresh_token": IsStr(regex=r"rt_[\w-]{43}"),
        "token_type": "Bearer",
        "expires_in": 900,
        "device_token": IsStr(regex=r"dt_[\w-]{43}\.[\w-]{43}"),
    }


async def test_register_refuses_everyone_where_sign_up_is_closed(anonymous: AsyncClient) -> None:
    with with_authentication(sign_up="closed"):
        closed = await anonymous.post(f"{AUTH}/register", json={"email": "bob@example.com", "password": PASSWORD})

    problem(closed, 403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "ada"}, "body.email"),
        ({"email": "a\0da@example.com"}, "body.email"),
        ({"email": '"a\r\nBcc: b"@example.com'}, "body.email"),
        ({"password": "short"}, "body.password"),
        ({"password": "u\u0308" * 8}, "body.password"),  # counted composed
        ({"password": "correct horse\0battery"}, "body.password"),
        ({"password": "correct horse \ud800 battery"}, "body.password"),
        ({"scopes": ["admin"]}, "body.scopes"),
    ],
)
async def test_register_refuses_malformed_values_without_repeating_the_password(
    anonymous: AsyncClient, changes: dict[str, Any], field: str
) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, **changes}

    refused = await anonymous.post(
        f"{AUTH}/register", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )

    assert problem(refused, 422, "VALIDATION_ERROR")["field"] == field
    assert body["password"] not in refused.text


@pytest.mark.parametrize(("registered", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_login_takes_a_password_composed_and_decomposed(
    registered: str, typed: str, anonymous: AsyncClient
) -> None:
    await register(anonymous, password=registered)

    assert [(await log_in(anonymous, password=each)).status_code for each in (typed, registered)] == [200, 200]


async def test_login_answers_an_unknown_or_disabled_user_like_a_wrong_password(
    anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    await register(anonymous)
    tokens = (await log_in(anonymous)).json()

    refused = [await log_in(anonymous, password="wrong"), await log_in(anonymous, email="bob@example.com")]
    await transaction.exec_driver_sql("UPDATE users SET is_active = false")
    refused += [await log_in(anonymous), await log_in(anonymous, device_token=tokens["device_token"])]

    assert [each.status_code for each in refused] == [401] * 4
    assert {each.headers["WWW-Authenticate"] for each in refused} == {"Bearer"}
    assert len({str({**each.json(), "request_id": ""}) for each in refused}) == 1
    assert (await refresh(anonymous, tokens)).status_code == 401
    assert (await me(anonymous, tokens)).status_code == 404


async def test_logout_ends_this_session_at_once_and_no_other(anonymous: AsyncClient) -> None:
    await register(anonymous)
    here, there = (await log_in(anonymous)).json(), (await log_in(anonymous)).json()

    assert (await anonymous.post(f"{AUTH}/logout", headers=bearer(here))).status_code == 204

    assert (await me(anonymous, here)).status_code == 401
    assert (await refresh(anonymous, here)).status_code == 401
    assert (await me(anonymous, there)).status_code == 200


async def test_change_password_ends_all_other_sessions(anonymous: AsyncClient) -> None:
    await register(anonymous)
    here, there = (await log_in(anonymous)).json(), (await log_in(anonymous)).json()
    body = {"current_password": PASSWORD, "new_password": "a new horse battery staple"}

    assert (await anonymous.post(f"{AUTH}/password", json=body, headers=bearer(here))).status_code == 204

    assert (await me(anonymous, here)).status_code == 200
    assert (await me(anonymous, there)).status_code == 401
    assert (await refresh(anonymous, there)).status_code == 401
    assert (await log_in(anonymous)).status_code == 401
    assert (await log_in(anonymous, password=body["new_password"])).status_code == 200


async def test_change_password_needs_the_current_one(anonymous: AsyncClient) -> None:
    await register(anonymous)
    headers = bearer((await log_in(anonymous)).json())
    body = {"current_password": "wrong horse battery", "new_password": "a new horse battery staple"}

    answers = [await anonymous.post(f"{AUTH}/password", json=body, headers=headers) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert (await log_in(anonymous)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic YWRhOnB3"}, {"X-API-Key": "ak_unknown"}],
    ids=str,
)
async def test_me_refuses_credentials_that_are_not_good(anonymous: AsyncClient, headers: dict[str, str]) -> None:
    problem(await anonymous.get(ME, headers=headers), 401, "AUTHENTICATION_FAILED")


async def test_get_current_user_takes_one_statement(client: AsyncClient) -> None:
    # One request every few seconds also asks which sessions have ended.
    with at_most(2):
        assert (await client.get(ME)).status_code == 200
