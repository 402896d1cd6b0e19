"""Refresh tokens: they rotate, forgive for a moment what tabs and lost answers do, and notice a copy."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
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


@pytest.fixture
def without_grace(app: FastAPI) -> Iterator[None]:
    """Have a second use of a refresh token be reuse, however soon it comes."""
    with with_authentication(refresh_grace=timedelta()):
        yield


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


async def test_refresh_gives_a_new_pair_each_time(scratch_client: AsyncClient, tokens: dict[str, Any]) -> None:
    second = (await refresh(scratch_client, tokens)).json()
    third = (await refresh(scratch_client, second)).json()

    assert len({each["refresh_token"] for each in (tokens, second, third)}) == 3
    assert "device_token" not in third
    assert (await me(scratch_client, third)).status_code == 200


async def test_refresh_from_many_tabs_at_once_leaves_all_of_them_logged_in(
    scratch: AsyncEngine, scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    answers = await asyncio.gather(*(refresh(scratch_client, tokens) for _ in range(8)))
    tabs = [answer.json() for answer in answers]

    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({tab["refresh_token"] for tab in tabs}) == 8
    for _ in range(3):
        await let_pass(scratch, 900)
        refreshed = [await refresh(scratch_client, tab) for tab in tabs]
        assert [answer.status_code for answer in refreshed] == [200] * 8
        tabs = [answer.json() for answer in refreshed]
    assert [await alive(scratch_client, tab) for tab in tabs] == [True] * 8


async def test_refresh_again_after_a_lost_answer_goes_on(
    scratch: AsyncEngine, scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    for _ in range(3):
        await refresh(scratch_client, tokens)
        await let_pass(scratch, 25)
        again = await refresh(scratch_client, tokens)
        assert again.status_code == 200
        await let_pass(scratch, 900)
        tokens = again.json()

    assert await alive(scratch_client, tokens)


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


@pytest.mark.parametrize("reused", ["the first token", "one tab's", "the other tab's"])
async def test_refresh_with_a_copy_ends_the_session_with_all_its_tabs_and_no_other(
    reused: str, scratch: AsyncEngine, scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    other_session = (await log_in(scratch_client, tokens["email"])).json()
    one, other = (await refresh(scratch_client, tokens)).json(), (await refresh(scratch_client, tokens)).json()
    newest = [(await refresh(scratch_client, tab)).json() for tab in (one, other)]
    await let_pass(scratch, 31)

    copy = {"the first token": tokens, "one tab's": one, "the other tab's": other}[reused]
    refused = await refresh(scratch_client, copy)

    assert refused.status_code == 401
    assert not any([await alive(scratch_client, each) for each in [*newest, one, other, tokens]])
    assert await alive(scratch_client, other_session)


async def test_logout_ends_all_tabs(scratch_client: AsyncClient, tokens: dict[str, Any]) -> None:
    tabs = [(await refresh(scratch_client, tokens)).json() for _ in range(3)]

    left = await scratch_client.post(f"{AUTH}/logout", headers=bearer(tabs[0]))

    assert left.status_code == 204
    assert not any([await alive(scratch_client, each) for each in [*tabs, tokens]])


@pytest.mark.usefixtures("without_grace")
async def test_refresh_without_grace_succeeds_once_of_many_at_a_time(
    scratch_client: AsyncClient, tokens: dict[str, Any]
) -> None:
    answers = await asyncio.gather(*(refresh(scratch_client, tokens) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert not await alive(scratch_client, winner), "the others were reuse"
