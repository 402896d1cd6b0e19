"""Users on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, EmailStr, Field

from app.models.schemas.types import Input, Secret

# Addresses that differ in case alone are the same account.
Email = Annotated[
    EmailStr,
    AfterValidator(str.lower),
    Field(max_length=254, description="Kept in lower case and composed (NFC).", examples=["ada@example.com"]),
]
# NIST SP 800-63B-4, 3.1.1.2: a minimum length, no rules of composition. The upper limit keeps hashing bounded.
NewPassword = Annotated[Secret, Field(min_length=15, max_length=128, examples=["correct horse battery"])]
# On another keyboard it may take up to four times as many characters: it is composed (NFC) when it is hashed.
Password = Annotated[Secret, Field(min_length=1, max_length=512, examples=["correct horse battery"])]


class UserCreate(Input):
    """A new user."""

    email: Email
    password: NewPassword


class UserRead(BaseModel):
    """A user as they see themselves."""

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    role: str = Field(examples=["user"])
    scopes: list[str] = Field(description="Those of the role, and those granted beyond it.", examples=[["items:read"]])
    created_at: datetime


@dataclass(slots=True)
class UserListed:
    """A user as an administrator sees them."""

    id: UUID
    email: Annotated[str, Field(examples=["ada@example.com"])]
    role: Annotated[str, Field(examples=["user"])]
    scopes: Annotated[list[str], Field(description="Grants beyond the role.", examples=[["reports:read"]])]
    is_active: Annotated[bool, Field(description="False where no credential of theirs counts.")]
    email_verified_at: Annotated[datetime | None, Field(description="Its last proof; null: they cannot log in yet.")]
    created_at: datetime


class UserChange(Input):
    """Changes of a user; what is left out stays as it is."""

    is_active: bool | None = Field(None, description="False ends their sessions and refuses their credentials.")
    role: str | None = Field(None, max_length=64, description="Another one ends their sessions.", examples=["admin"])
