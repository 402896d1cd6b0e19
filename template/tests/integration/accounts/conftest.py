"""A user, and the mail they get."""

from collections.abc import Iterator
from typing import Any

import pytest
from httpx import AsyncClient

from tests.logins import MemoryMail, log_in, mail_in_memory, register, unused_email


@pytest.fixture
def mail() -> Iterator[MemoryMail]:
    """The messages that are sent."""
    with mail_in_memory() as mail:
        yield mail


@pytest.fixture
def email() -> str:
    """An unused address."""
    return unused_email()


@pytest.fixture
async def tokens(anonymous: AsyncClient, email: str) -> dict[str, Any]:
    """A session of a user, and their address."""
    await register(anonymous, email)
    return {"email": email, **(await log_in(anonymous, email)).json()}
