"""Settings, users and tokens for tests, which name only the values they are about."""

import itertools
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from app.core.config import ApplicationSettings
from app.core.config.api import AuthSettings
from app.core.config.database import DatabaseSettings
from app.core.config.secrets import SecretsSettings, new_key
from app.core.config.section import Environment
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.auth import Login, Tokens
from app.models.schemas.user import UserCreate
from app.repositories.users import UserRow
from app.services.authentication import get_authentication
from app.services.users import create_user

PASSWORD = "correct horse battery staple"

_numbers = itertools.count(1)


def make_settings(*, database_url: str | None = None, **sections: Any) -> ApplicationSettings:
    """Settings that owe nothing to the environment or to a developer's files."""
    url = SecretStr(database_url) if database_url else None
    given = {
        "auth": AuthSettings(secret_key=SecretStr("k3y-of-the-tests-7f1c9a20d4b86e35")),
        "database": DatabaseSettings(url=url, pool_size=5),
        "secrets": SecretsSettings(keys=new_key("of-the-tests")),
        **sections,
    }
    others = {name: section() for name, section in ApplicationSettings.sections().items() if name not in given}
    return ApplicationSettings(**{"environment": Environment.DEVELOPMENT, **others, **given})


async def make_user(*, scopes: Sequence[str] | None = None) -> tuple[UserRow, Tokens]:
    """Create a user and log them in.

    Args:
        scopes: All of the user's scopes; those of the ordinary role unless given.
    """
    address = f"user-of-tests-{next(_numbers)}@example.com"
    new = UserCreate(email=address, password=SecretStr(PASSWORD))
    user = await create_user(
        new,
        role=DEFAULT_ROLE if scopes is None else "without-scopes",
        grants=scopes or (),
    )
    login = Login(email=address, password=SecretStr(PASSWORD))
    return user, await get_authentication().log_in(login, address=f"{address}'s machine")


def make_tokens(user: UserRow) -> Tokens:
    """Return tokens as of a login, without the login: an access token is believed without a query."""
    tokens = get_authentication().tokens
    scopes = get_authentication().scopes_of(user)
    access_token = tokens.issue(user_id=user.id, session_id=uuid4(), scopes=scopes)
    return Tokens(access_token=access_token, refresh_token="none", expires_in=tokens.lifetime_seconds)
