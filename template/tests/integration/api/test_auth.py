"""Registering, logging in, staying logged in by refresh tokens, changing the password, logging out."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from dirty_equals import IsDatetime, IsStr, IsUUID
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.services.authentication import get_authentication
from tests.clients import problem
from tests.factories import PASSWORD
from tests.logins import AUTH, ME, bearer, log_in, me, refresh, register, unused_email, with_authentication
from tests.logs import at_most

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
        "device_token": IsStr(regex=r"dt_[\w-]{43}\.[0-9a-f]{64}"),
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


async def test_get_current_user_takes_one_statement(client: AsyncClient) -> None:
    # One request every few seconds also asks which sessions have ended.
    with at_most(2):
        assert (await client.get(ME)).status_code == 200


@pytest.fixture
async def tokens(scratch_client: AsyncClient) -> dict[str, Any]:
    """A session of a user, on a database where everything is really committed."""
    email = unused_email()
    await register(scratch_client, email)
    session: dict[str, Any] = (await log_in(scratch_client, email)).json()
    return {"email": email, **session}


async def let_pass(scratch: AsyncEngine, seconds: float) -> None:
    """Have everything that was done with refresh tokens be so much longer ago."""
    async with scratch.begin() as connection:
        await connection.execute(
            text("UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => :seconds)"), {"seconds": seconds}
        )


async def alive(client: AsyncClient, tokens: dict[str, Any]) -> bool:
    """Return if the session goes on from these tokens; it must not be half alive."""
    statuses = {(await me(client, tokens)).status_code, (await refresh(client, tokens)).status_code}
    assert len(statuses) == 1, statuses
    return statuses == {200}


@pytest.mark.parametrize("token", ["", "x" * 200, "rt_" + "A" * 43, "é", "\0"])
async def test_refresh_refuses_a_token_that_was_never_issued(anonymous: AsyncClient, token: str) -> None:
    assert (await refresh(anonymous, {"refresh_token": token})).status_code == 401


async def test_refresh_from_many_tabs_at_once_leaves_all_of_them_logged_in_until_logout(
    scratch: AsyncEngine, scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    answers = await asyncio.gather(*(refresh(scratch_client, tokens) for _ in range(8)))
    for _ in range(2):
        tabs = [answer.json() for answer in answers]
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({tab["refresh_token"] for tab in tabs}) == 8
        await let_pass(scratch, 900)
        answers = [await refresh(scratch_client, tab) for tab in tabs]
    tabs = [answer.json() for answer in answers]

    left = await scratch_client.post(f"{AUTH}/logout", headers=bearer(tabs[0]))

    assert left.status_code == 204
    assert not any([await alive(scratch_client, tab) for tab in tabs])


async def test_refresh_counts_the_grace_from_the_first_use(
    scratch: AsyncEngine, scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    pairs = [await refresh(scratch_client, tokens)]
    for _ in range(2):
        await let_pass(scratch, 14)
        pairs.append(await refresh(scratch_client, tokens))
    await let_pass(scratch, 14)
    late = await refresh(scratch_client, tokens)

    assert [answer.status_code for answer in pairs] == [200] * 3
    assert late.status_code == 401, "42 seconds after the first use, 14 after the last"
    assert not any([await alive(scratch_client, pair.json()) for pair in pairs])


@pytest.mark.parametrize("reused", ["the first token", "one tab's"])
async def test_refresh_with_a_copy_ends_the_session_with_all_its_tabs_and_no_other(
    reused: str, scratch: AsyncEngine, scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    other_session = (await log_in(scratch_client, tokens["email"])).json()
    one, other = (await refresh(scratch_client, tokens)).json(), (await refresh(scratch_client, tokens)).json()
    newest = [(await refresh(scratch_client, tab)).json() for tab in (one, other)]
    await let_pass(scratch, 31)

    refused = await refresh(scratch_client, tokens if reused == "the first token" else one)

    assert refused.status_code == 401
    assert not any([await alive(scratch_client, each) for each in [*newest, one, other, tokens]])
    assert await alive(scratch_client, other_session)


async def test_refresh_without_grace_succeeds_once_of_many_at_a_time(
    scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    with with_authentication(refresh_grace=timedelta()):
        answers = await asyncio.gather(*(refresh(scratch_client, tokens) for _ in range(8)))
        winner = next(answer.json() for answer in answers if answer.status_code == 200)

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
        assert not await alive(scratch_client, winner), "the others were reuse"
