"""Asking for mail about accounts, and using the links in it."""

from typing import Any

from httpx import AsyncClient, Response

from app.core.mail import MemoryMail
from tests.factories import PASSWORD
from tests.jobs import run_jobs
from tests.logins import AUTH, ME, bearer, token_of

NEW_PASSWORD = "a new horse battery staple"
# What a mail says to the owner of an address that an account has.
KNOWN = "You have an account"


async def ask(client: AsyncClient, path: str, email: str, **more: str) -> Response:
    """Register, or ask for a mail."""
    password = {"password": PASSWORD} if path == "register" else {}
    return await client.post(f"{AUTH}/{path}", json={"email": email, **password, **more})


async def mailed(mail: MemoryMail) -> list[tuple[str, str]]:
    """Run what waits, and return the recipients and the subjects of what was sent then."""
    before = len(mail.sent)
    await run_jobs()
    return [(each.to, each.subject) for each in mail.sent[before:]]


async def token_for(client: AsyncClient, mail: MemoryMail, path: str, email: str, **more: str) -> str:
    """Ask for a mail, and return the token in it."""
    assert (await ask(client, path, email, **more)).status_code == 202
    await run_jobs()
    return token_of(mail.sent[-1])


async def use(client: AsyncClient, path: str, token: str, **more: str) -> int:
    return (await client.post(f"{AUTH}/{path}", json={"token": token, **more})).status_code


async def reset(client: AsyncClient, token: str, password: str = NEW_PASSWORD) -> int:
    return await use(client, "reset/confirm", token, password=password)


async def change_address(client: AsyncClient, tokens: dict[str, Any], email: str, password: str = PASSWORD) -> int:
    body = {"email": email, "password": password}
    return (await client.post(f"{ME}/email", json=body, headers=bearer(tokens))).status_code
