"""Changing the address of an account: the password is asked for, and the new address is proven."""

from typing import Any

import pytest
from httpx import AsyncClient

from tests.jobs import run_jobs
from tests.logins import (
    KNOWN,
    MemoryMail,
    change_address,
    log_in,
    mailed,
    me,
    register,
    text_of,
    token_for,
    token_of,
    unused_email,
    use,
)

pytestmark = pytest.mark.anyio


async def test_change_of_address_needs_the_password_and_the_link(
    anonymous: AsyncClient, mail: MemoryMail, email: str, tokens: dict[str, Any]
) -> None:
    wanted = unused_email()
    assert await change_address(anonymous, tokens, wanted, "a wrong password") == 401
    assert await mailed(mail) == []
    assert await change_address(anonymous, tokens, wanted) == 202
    assert sorted(await mailed(mail)) == sorted(
        [(wanted, "Confirm your new address"), (email, "Your address is about to change")]
    )
    (token,) = (token_of(each) for each in mail.sent if "#token=" in text_of(each))
    assert (await log_in(anonymous, email)).status_code == 200, "nothing has changed yet"

    assert [await use(anonymous, "email/confirm", token) for _ in range(2)] == [204, 422]

    assert (await me(anonymous, tokens)).json()["email"] == wanted
    assert (await log_in(anonymous, email)).status_code == 401
    assert (await log_in(anonymous, wanted)).status_code == 200


async def test_change_of_address_takes_no_account_and_yields_to_no_registration(
    anonymous: AsyncClient, mail: MemoryMail, tokens: dict[str, Any]
) -> None:
    await register(anonymous, taken := unused_email())
    assert await change_address(anonymous, tokens, taken) == 202
    assert (taken, KNOWN) in await mailed(mail)

    wanted = unused_email()
    await token_for(anonymous, mail, "register", wanted, password="the password of a stranger")
    links = []
    for address in (wanted, raced := unused_email()):
        assert await change_address(anonymous, tokens, address) == 202
        await run_jobs()
        (link,) = (token_of(each) for each in mail.sent[-2:] if each["To"] == address)
        links.append(link)
    await register(anonymous, raced)

    assert [await use(anonymous, "email/confirm", link) for link in reversed(links)] == [409, 204]
    assert (await me(anonymous, tokens)).json()["email"] == wanted
    assert (await log_in(anonymous, wanted, "the password of a stranger")).status_code == 401
