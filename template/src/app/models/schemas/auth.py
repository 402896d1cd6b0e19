"""Credentials on the wire, and mail about them. Received ones are secrets at once; issued ones are shown once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from app.models.schemas.types import Input, Line, Moment
from app.models.schemas.user import Email, NewPassword, Password

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_:-]{0,63}$"), Field(examples=["items:read"])]


class Login(Input):
    """An e-mail address and its password, and the device token of an earlier login."""

    email: Email
    password: Password
    device_token: SecretStr | None = Field(
        None, max_length=200, description="Keeps others' guesses from locking this device out.", examples=["dt_…"]
    )


class Refresh(Input):
    """A refresh token, to be exchanged for new tokens."""

    refresh_token: SecretStr = Field(max_length=200, examples=["rt_…"])


class PasswordChange(Input):
    """A new password; all other sessions of the user end."""

    current_password: Password
    new_password: NewPassword


class Tokens(BaseModel):
    """Tokens of a session (RFC 6749, 5.1)."""

    access_token: str = Field(description="For `Authorization: Bearer …`.", examples=["eyJ…"])
    refresh_token: str = Field(description="Exchanged for the next pair, which replaces it.", examples=["rt_…"])
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 — RFC 6749's name for a kind of token
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[900])


class LoginTokens(Tokens):
    """Tokens of a new session, and one for the device."""

    device_token: str = Field(description="For this device's next login: keep it after a logout.", examples=["dt_…"])


class ApiKeyCreate(Input):
    """A new API key."""

    name: Line = Field(description="Your name for it; whitespace around it is removed.", examples=["nightly import"])
    scopes: list[Scope] = Field(min_length=1, max_length=32, description="What it allows, as far as you have it.")
    expires_at: Moment | None = Field(default=None, description="The time at which it stops working; null: never.")


@dataclass(slots=True)
class ApiKeyRead:
    """An API key, without the key."""

    id: UUID
    name: Annotated[str, Field(examples=["nightly import"])]
    hint: Annotated[str, Field(description="The key's last characters.", examples=["x7Qa"])]
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None


@dataclass(slots=True)
class ApiKeyCreated(ApiKeyRead):
    """An API key at the only moment it is shown."""

    key: Annotated[str, Field(description="For `X-API-Key`. It cannot be shown again.", examples=["ak_…"])]


class Asked(BaseModel):
    """The answer to a request that a mail answers: the same for every address, known or not."""

    message: str = "A mail is on its way to this address, if there is anything to do."


class Address(Input):
    """An e-mail address."""

    email: Email


class AddressChange(Address):
    """Another e-mail address for the calling user, who shows their password."""

    password: Password


class LinkToken(Input):
    """The token of a link in a mail."""

    token: SecretStr = Field(max_length=700, description="The link's part behind `#token=`.", examples=["MDE5.c2ln"])


class PasswordReset(LinkToken):
    """The token of a link in a mail, and the password to have from now on."""

    password: NewPassword
