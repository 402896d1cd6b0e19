"""Refresh tokens: they rotate, forgive for a moment what tabs and lost answers do, and notice a copy."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.logins import AUTH, bearer, log_in, me, refresh, register, unused_email, with_authentication

pytestmark = pytest.mark.anyio


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
