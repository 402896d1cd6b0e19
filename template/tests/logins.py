"""Accounts as a client uses them: registering, logging in and staying logged in, links in mail."""

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from httpx import AsyncClient, Response

from app.core.mail import Mailer
from app.services.authentication import get_authentication
from tests.applications import process_with
from tests.factories import PASSWORD
from tests.jobs import run_jobs

AUTH = "/api/v1/auth"
ME = "/api/v1/users/me"
NEW_PASSWORD = "a new horse battery staple"
# What a mail says to the owner of an address that an account has.
KNOWN = "You have an account"

_numbers = itertools.count(1)


def unused_email() -> str:
    """Return an address that no other test has guessed passwords of."""
    return f"ada-{next(_numbers)}@example.com"


@contextmanager
def with_authentication(**changes: Any) -> Iterator[None]:
    """Change attributes of the process's `Authentication`, such as its roles, for as long as the context lasts."""
    authentication = copy.copy(get_authentication())
    vars(authentication).update(changes)
    with process_with(authentication):
        yield


@contextmanager
def allowing_guesses(attempts: int) -> Iterator[None]:
    """Have AUTH_LOGIN_ATTEMPTS be this number."""
    with with_authentication(login_attempts=attempts):
        yield


class MemoryMail:
    """Keeps what is mailed, each message once, as a mail server does."""

    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []

    async def send(self, message: EmailMessage) -> None:
        if all(each["Message-ID"] != message["Message-ID"] for each in self.sent):
            self.sent.append(message)


@contextmanager
def mail_in_memory() -> Iterator[MemoryMail]:
    """Keep what is mailed, for as long as the context lasts."""
    port = MemoryMail()
    with process_with(Mailer(port.send, sender="app@example.com", frontend_url="https://www.example.com")):
        yield port


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """Return the text of a message, or its HTML."""
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def token_of(mail: EmailMessage) -> str:
    """Return the token of the link in a message."""
    return text_of(mail).partition("#token=")[2].split()[0]


async def register(client: AsyncClient, email: str = "ada@example.com", password: str = PASSWORD) -> None:
    """Register, and confirm the address by the link that is mailed to it."""
    with mail_in_memory() as mail:
        asked = await client.post(f"{AUTH}/register", json={"email": email, "password": password})
        assert asked.status_code == 202, asked.text
        await run_jobs()
        confirmed = await client.post(f"{AUTH}/verify", json={"token": token_of(mail.sent[-1])})
        assert confirmed.status_code == 204, confirmed.text


async def log_in(
    client: AsyncClient, email: str = "ada@example.com", password: str = PASSWORD, **more: Any
) -> Response:
    return await client.post(f"{AUTH}/login", json={"email": email, "password": password, **more})


async def refresh(client: AsyncClient, tokens: dict[str, Any]) -> Response:
    return await client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def me(client: AsyncClient, tokens: dict[str, Any]) -> Response:
    return await client.get(ME, headers=bearer(tokens))


async def ask(client: AsyncClient, path: str, email: str, **more: str) -> Response:
    """Register, or ask for a mail."""
    password = {"password": PASSWORD} if path == "register" else {}
    return await client.post(f"{AUTH}/{path}", json={"email": email, **password, **more})


async def mailed(mail: MemoryMail) -> list[tuple[str, str]]:
    """Run what waits, and return the recipients and the subjects of what was sent then."""
    before = len(mail.sent)
    await run_jobs()
    return [(each["To"], each["Subject"]) for each in mail.sent[before:]]


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
