"""Keyset pagination: a page names the start of the next one, so that each costs the same."""

import base64
from collections.abc import Sequence
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.exceptions import ValidationError

T = TypeVar("T")

MAX_PAGE_SIZE = 100
# After all keys there are: a listing begins with the newest.
END: Final = UUID(int=2**128 - 1)
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE, description="The largest number of results.")]
CursorText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Cursor(BaseModel):
    """The last row of a page: its rank in a search, 0 without one, then its key, which decides between equals."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    rank: float = Field(default=0.0, ge=0, le=1)
    id: UUID

    def encode(self) -> str:
        """Return the cursor as text for a URL. It is opaque to clients, not secret."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Return the cursor of a text from `encode`.

        Raises:
            ValidationError: This service has made no such text.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            return cls.model_validate_json(base64.b64decode(padded, altchars=b"-_", validate=True))
        except ValueError:
            raise ValidationError("cursor", "must be the next_cursor of an earlier page, unchanged") from None


class Page(BaseModel, Generic[T]):
    """A page of results."""

    items: Sequence[T]
    next_cursor: str | None = Field(
        description="Pass as `cursor` to get the next page; null on the last one.",
        examples=["eyJyYW5rIjowLjAsImlkIjoiMDE5M2IwLi4uIn0"],
    )
