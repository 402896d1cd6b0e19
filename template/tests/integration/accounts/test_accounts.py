"""Accounts by mail: registering, confirming an address, resetting a password, and changing the address."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.mail import Mailer
from app.services import accounts
from app.services.accounts import Purpose
from app.services.authentication import get_authentication
from tests.applications import process_with
from tests.clients import make_client
from tests.factories import PASSWORD
from tests.jobs import rows, run_jobs
from tests.logins import (
    AUTH,
    KNOWN,
    NEW_PASSWORD,
    MemoryMail,
    ask,
    bearer,
    change_address,
    log_in,
    mailed,
    me,
    refresh,
    register,
    reset,
    text_of,
    token_for,
    token_of,
    unused_email,
    use,
)

pytestmark = pytest.mark.anyio

ASKED = ["register", "verify/resend", "reset"]


async def test_login_refuses_an_unconfirmed_address_like_a_wrong_password(
    anonymous: AsyncClient, mail: MemoryMail, email: str
) -> None:
    token = await token_for(anonymous, mail, "register", email)
    assert f"https://www.example.com/verify-address#token={token}" in text_of(mail.sent[-1])
    refused = [await log_in(anonymous, email), await log_in(anonymous, email, "a wrong password")]
    assert [each.status_code for each in refused] == [401, 401]
    assert len({str({**each.json(), "request_id": ""}) for each in refused}) == 1

    assert [await use(anonymous, "verify", token) for _ in range(2)] == [204, 422]
    assert (await log_in(anonymous, email)).status_code == 200


@pytest.mark.parametrize("path", ASKED)
async def test_accounts_answer_alike_and_mail_those_alone_whom_it_concerns(
    path: str, anonymous: AsyncClient, mail: MemoryMail, transaction: AsyncConnection
) -> None:
    known, unknown, unconfirmed, disabled, disabled_early = (unused_email() for _ in range(5))
    for each in (known, disabled):
        await register(anonymous, each)
    for each in (unconfirmed, disabled_early):
        await token_for(anonymous, mail, "register", each)
    for each in (disabled, disabled_early):
        await transaction.exec_driver_sql("UPDATE users SET is_active = false WHERE email = $1", (each,))
    users = "SELECT count(*) FROM users"
    before = (await transaction.exec_driver_sql(users)).scalar_one()

    answers, kinds, subjects = [], [], {}
    for each in (known, unknown, unconfirmed, disabled, disabled_early):
        answer = await ask(anonymous, path, each)
        answers.append((answer.status_code, answer.text, sorted(answer.headers)))
        kinds.append([row.entrypoint for row in await rows()])
        payloads = str([row.payload for row in await rows()])
        assert not any(secret in payloads for secret in ("token", "argon2"))
        subjects[each] = await mailed(mail)

    assert answers == [answers[0]] * 5
    assert answers[0][0] == 202
    assert kinds == [kinds[0]] * 5
    links = {
        "register": "Confirm your address",
        "verify/resend": "Confirm your address",
        "reset": "Set another password",
    }
    assert subjects == {
        known: [(known, links[path] if path == "reset" else KNOWN)],
        unknown: [(unknown, links[path])] if path == "register" else [],
        unconfirmed: [(unconfirmed, links[path])],
        disabled: [],
        disabled_early: [],
    }
    added = (await transaction.exec_driver_sql(users)).scalar_one() - before
    assert added == (1 if path == "register" else 0)


async def test_register_again_changes_no_account_and_replaces_what_was_not_confirmed(
    anonymous: AsyncClient, mail: MemoryMail, email: str
) -> None:
    first = await token_for(anonymous, mail, "register", email)
    second = await token_for(anonymous, mail, "register", email.upper(), password=NEW_PASSWORD)
    assert [await use(anonymous, "verify", token) for token in (first, second)] == [422, 204]

    await ask(anonymous, "register", email, password="the password of a stranger")
    await run_jobs()

    logins = [PASSWORD, "the password of a stranger", NEW_PASSWORD]
    assert [(await log_in(anonymous, email, each)).status_code for each in logins] == [401, 401, 200]


async def test_reset_ends_all_sessions_and_begins_none(
    anonymous: AsyncClient, mail: MemoryMail, email: str, tokens: dict[str, Any]
) -> None:
    token = await token_for(anonymous, mail, "reset", email)
    assert f"https://www.example.com/reset-password#token={token}" in text_of(mail.sent[-1])
    assert await reset(anonymous, token) == 204

    assert (await me(anonymous, tokens)).status_code == 401
    assert (await refresh(anonymous, tokens)).status_code == 401
    assert (await log_in(anonymous, email)).status_code == 401
    assert (await log_in(anonymous, email, NEW_PASSWORD)).status_code == 200


async def test_reset_confirms_the_address(anonymous: AsyncClient, mail: MemoryMail, email: str) -> None:
    link = await token_for(anonymous, mail, "register", email)
    assert await reset(anonymous, await token_for(anonymous, mail, "reset", email)) == 204

    assert (await log_in(anonymous, email, NEW_PASSWORD)).status_code == 200
    assert await use(anonymous, "verify", link) == 422


@pytest.mark.parametrize(
    "fault", ["used", "of a disabled user", "another password since", "another purpose", "changed", "another's"]
)
async def test_reset_refuses_a_token(
    fault: str, anonymous: AsyncClient, mail: MemoryMail, tokens: dict[str, Any], transaction: AsyncConnection
) -> None:
    email = tokens["email"]
    token = await token_for(anonymous, mail, "reset", email)
    match fault:
        case "used":
            assert await reset(anonymous, token) == 204
        case "of a disabled user":
            await transaction.exec_driver_sql("UPDATE users SET is_active = false")
        case "another password since":
            body = {"current_password": PASSWORD, "new_password": "words of another password"}
            changed = await anonymous.post(f"{AUTH}/password", json=body, headers=bearer(tokens))
            assert changed.status_code == 204
        case "another purpose":
            email = unused_email()
            token = await token_for(anonymous, mail, "register", email)
        case "changed":
            token = token[:-1] + ("A" if token[-1] != "A" else "B")
        case "another's":
            await register(anonymous, other := unused_email())
            strangers = await token_for(anonymous, mail, "reset", other)
            token = f"{strangers.partition('.')[0]}.{token.partition('.')[2]}"

    assert await reset(anonymous, token, "the password of a stranger") == 422
    assert (await log_in(anonymous, email, "the password of a stranger")).status_code == 401


async def test_reset_refuses_a_token_that_is_old(
    anonymous: AsyncClient, mail: MemoryMail, tokens: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(accounts._LIFETIMES, Purpose.RESET, 0)
    token = await token_for(anonymous, mail, "reset", tokens["email"])

    assert await reset(anonymous, token) == 422


@pytest.mark.parametrize("token", ["", ".", "é", "\ud800", "MTIzOjE6.x", "OjoK.", "A" * 600, "=.=", "YTpiOmM.YTpiOmM"])
async def test_verify_refuses_a_token_that_was_never_issued(anonymous: AsyncClient, token: str) -> None:
    for path in ("verify", "email/confirm"):
        # Half a character has no UTF-8; as an escape, it has JSON.
        headers = {"Content-Type": "application/json"}
        answer = await anonymous.post(f"{AUTH}/{path}", content=json.dumps({"token": token}), headers=headers)
        assert (answer.status_code, answer.json()["field"].rpartition(".")[2]) == (422, "token")


async def test_reset_with_one_token_succeeds_once_of_many_at_a_time(
    scratch_client: AsyncClient, mail: MemoryMail
) -> None:
    await register(scratch_client, email := unused_email())
    token = await token_for(scratch_client, mail, "reset", email)

    passwords = [f"{NEW_PASSWORD} {number}" for number in range(6)]
    statuses = await asyncio.gather(*(reset(scratch_client, token, password) for password in passwords))

    assert sorted(statuses) == [204] + [422] * 5
    winner = passwords[statuses.index(204)]
    assert (await log_in(scratch_client, email, winner)).status_code == 200


@pytest.mark.parametrize("change", ["is_active = false", "password_hash = 'another'"])
async def test_login_counts_for_nothing_when_the_user_changes_while_the_password_is_checked(
    change: str,
    anonymous: AsyncClient,
    tokens: dict[str, Any],
    transaction: AsyncConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = get_authentication().passwords
    check = passwords.verify

    async def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
        found = await check(password, stored)
        await transaction.exec_driver_sql(f"UPDATE users SET {change}")
        return found

    monkeypatch.setattr(passwords, "verify", verify)

    assert (await log_in(anonymous, tokens["email"])).status_code == 401


@pytest.mark.parametrize("path", ASKED)
async def test_accounts_limit_mail_by_address_and_by_account(
    path: str, app: FastAPI, anonymous: AsyncClient, email: str, mail: MemoryMail
) -> None:
    assert [(await ask(anonymous, path, email)).status_code for _ in range(6)] == [202] * 5 + [429]
    assert (await ask(anonymous, path, unused_email())).status_code == 202

    elsewhere = [(await ask(make_client(app), path, email)).status_code for _ in range(46)]
    assert elsewhere == [202] * 45 + [429]


async def test_accounts_answer_503_without_mail_to_every_caller(
    anonymous: AsyncClient, email: str, tokens: dict[str, Any]
) -> None:
    with process_with(Mailer(None, sender="app@example.com", frontend_url="https://www.example.com")):
        answers = [await ask(anonymous, path, each) for path in ASKED for each in (email, unused_email())]
        status = await change_address(anonymous, tokens, unused_email(), "wrong")

    assert {each.status_code for each in answers} == {503}
    assert {each.json()["error_code"] for each in answers} == {"MAIL_UNAVAILABLE"}
    assert status == 503
    assert await rows() == []


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
