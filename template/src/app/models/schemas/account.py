"""Requests about accounts from callers who are not logged in, and the one answer to them."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.models.schemas.user import Email, NewPassword, Password

_ANSWER: Final = "A mail is on its way to this address, if there is anything to do."


class Asked(BaseModel):
    """The answer to a request that a mail answers: the same for every address, known or not."""

    message: str = Field(default=_ANSWER, examples=[_ANSWER])


class Address(BaseModel):
    """An e-mail address."""

    model_config = ConfigDict(extra="forbid")

    email: Email


class AddressChange(Address):
    """Another e-mail address for the calling user, who shows their password."""

    password: Password


class LinkToken(BaseModel):
    """The token of a link in a mail."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(
        max_length=600, description="The part behind `#token=` of the link.", examples=["MDE5M2IwLi4u.c2lnbmF0dXJl"]
    )


class PasswordReset(LinkToken):
    """The token of a link in a mail, and the password to have from now on."""

    password: NewPassword
