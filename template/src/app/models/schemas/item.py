"""Items on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, Json, JsonValue, StringConstraints

from app.models.schemas.types import END, Cursor, Input, JsonObject, Line, LongText, PageSize

Sku = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(description="The stock keeping unit; unique.", examples=["CHAIR-042"]),
]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"), Field(examples=["wood"])]
Tags = Annotated[list[Tag], Field(max_length=32, examples=[["wood", "garden"]])]
Metadata = Annotated[JsonObject, Field(examples=[{"color": "green", "legs": 4}])]


class ItemContent(Input):
    """The content of an item."""

    name: Line = Field(examples=["Garden chair"])
    description: LongText | None = Field(default=None, examples=["Folds flat."])
    tags: Tags = Field(default_factory=list)
    attributes: Metadata = Field(default_factory=dict, alias="metadata")


class ItemCreate(ItemContent):
    """A new item."""

    sku: Sku


class ItemUpdate(ItemContent):
    """A change to an item: values that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1, "name": "Garden chair, green"}]})

    version: int = Field(
        strict=True, ge=1, le=2**31 - 1, description="The version the change was made from.", examples=[1]
    )
    name: Line = Field(default_factory=str, examples=["Garden chair, green"])

    def changes(self) -> dict[str, object]:
        """Return the values that the caller named, by the model's attributes."""
        return self.model_dump(exclude_unset=True, exclude={"version"})


@dataclass(slots=True)
class ItemRead:
    """An item as it is."""

    id: UUID
    sku: Sku
    name: Annotated[str, Field(examples=["Garden chair"])]
    description: Annotated[str | None, Field(examples=["Folds flat."])]
    tags: Tags
    # As it is stored: a limit that comes later takes nothing away.
    attributes: Annotated[
        dict[str, JsonValue], Field(serialization_alias="metadata", examples=[{"color": "green", "legs": 4}])
    ]
    version: Annotated[int, Field(ge=1, examples=[1])]
    created_at: datetime
    updated_at: datetime


class ItemQuery(Input):
    """Conditions on the items to list. All of them hold together."""

    tag: Tags = Field(default_factory=list, description="Items that have all of these.")
    metadata: Json[JsonObject] | None = Field(
        default=None,
        description="Items whose metadata contains this JSON object.",
        examples=['{"color": "green"}'],
    )
    search: Line | None = Field(
        default=None,
        description="Words from the name, best match first, on one page. Forgives typing errors if there is pg_trgm.",
        examples=["garden chair"],
    )
    cursor: Cursor = END
    limit: PageSize = 20
