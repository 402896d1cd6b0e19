"""Users on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, SecretStr


def _lower(address: str) -> str:
    return address.lower()


def _acceptable(password: SecretStr) -> SecretStr:
    if "\x00" in password.get_secret_value():
        raise ValueError("must not contain the NUL character")
    return password


# Addresses are told apart by their letters, not by their case: nobody should get a second account by shouting.
Email = Annotated[EmailStr, AfterValidator(_lower), Field(max_length=254, examples=["ada@example.com"])]
# NIST SP 800-63B-4, 3.1.1.2: length is what counts; no rules of composition. The upper limit keeps hashing bounded.
NewPassword = Annotated[
    SecretStr, Field(min_length=15, max_length=128, examples=["correct horse battery"]), AfterValidator(_acceptable)
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=128, examples=["correct horse battery"])]


class UserCreate(BaseModel):
    """A new user."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword


class UserRead(BaseModel):
    """A user as they see themselves."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    role: str = Field(examples=["user"])
    scopes: list[str] = Field(
        description="Everything this user may: what the role allows, and what was granted beyond it.",
        examples=[["items:read", "items:write"]],
    )
    created_at: datetime
