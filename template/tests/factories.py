"""Making what tests need: only what a test is about is spelt out in it."""

import itertools
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from app.api.state import ProcessState
from app.core.config import ApplicationSettings, AuthSettings, DatabaseSettings, Environment, SecretsSettings
from app.core.config.secrets import new_key
from app.core.security import allowed_scopes
from app.models.domain.user import DEFAULT_ROLE, User
from app.models.schemas.auth import Login, Tokens
from app.models.schemas.user import UserCreate
from app.services.users import create_user

PASSWORD = "correct horse battery staple"

_numbers = itertools.count(1)


def make_settings(*, database_url: str | None = None, **sections: Any) -> ApplicationSettings:
    """Settings that owe nothing to the environment or to a developer's files."""
    url = SecretStr(database_url) if database_url else None
    given = {
        "auth": AuthSettings(
            secret_key=SecretStr("k3y-of-the-tests-7f1c9a20d4b86e35"),
            # Passwords of tests need no protection, and real hashing would take most of the run.
            argon2_memory_kib=64,
            argon2_time_cost=1,
        ),
        "database": DatabaseSettings(url=url, pool_size=5),
        "secrets": SecretsSettings(keys=new_key("of-the-tests")),
        **sections,
    }
    others = {name: section() for name, section in ApplicationSettings.sections().items() if name not in given}
    return ApplicationSettings(**{"environment": Environment.DEVELOPMENT, **others, **given})


async def make_user(process: ProcessState, *, scopes: Sequence[str] | None = None) -> tuple[User, Tokens]:
    """Create a user and log them in.

    Args:
        process: The application's.
        scopes: Everything the user may; unless given, what the ordinary role may.
    """
    address = f"somebody-{next(_numbers)}@example.com"
    new = UserCreate(email=address, password=SecretStr(PASSWORD))
    user = await create_user(
        new,
        passwords=process.authentication.passwords,
        role=DEFAULT_ROLE if scopes is None else "without-scopes",
        grants=scopes or (),
    )
    login = Login(email=address, password=SecretStr(PASSWORD))
    return user, await process.authentication.log_in(login, address=f"{address}'s machine")


def make_tokens(process: ProcessState, user: User) -> Tokens:
    """What a login would give, without the login: an access token is believed without a query."""
    tokens = process.authentication.tokens
    scopes = allowed_scopes(process.authentication.roles, user.role, user.scopes)
    access_token = tokens.issue(user_id=user.id, session_id=uuid4(), scopes=scopes)
    return Tokens(access_token=access_token, refresh_token="none", expires_in=tokens.lifetime_seconds)
