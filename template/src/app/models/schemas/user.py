"""Users on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, EmailStr, Field

from app.models.schemas.types import Secret, composed

# Addresses that differ in case alone are the same account.
Email = Annotated[
    EmailStr,
    AfterValidator(str.lower),
    Field(max_length=254, description="Kept in lower case and composed (NFC).", examples=["ada@example.com"]),
]
# NIST SP 800-63B-4, 3.1.1.2: a minimum length, no rules of composition. The upper limit keeps hashing bounded.
NewPassword = Annotated[
    Secret,
    BeforeValidator(composed),
    Field(min_length=15, max_length=128, examples=["correct horse battery"]),
]
# As it was typed, which takes up to four times as many characters as composed.
Password = Annotated[Secret, Field(min_length=1, max_length=512, examples=["correct horse battery"])]


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
        description="The scopes of this user: those of the role, and those granted beyond it.",
        examples=[["items:read", "items:write"]],
    )
    created_at: datetime
