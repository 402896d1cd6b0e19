"""The form every event has."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from uuid_utils.compat import uuid7

from app.core.logging import current_request_id


class BaseEvent(BaseModel):
    """A fact. A subclass has a name of its own, and adds what the fact is about.

        class DoorOpened(BaseEvent):
            type: ClassVar[str] = "door.opened"
            door_id: UUID

    It holds plain values, of exactly the annotated types; never a row, whose session is closed when handlers run.

    Attributes:
        type: The name it keeps for ever, whatever becomes of the class. Every subclass states its own.
        version: Of the subclass's fields: raise it when one changes its meaning or goes away.
        durable: True: it is delivered by jobs, one for each subscriber, which are written with the changes and outlast
            every process. A subscriber may get it twice, after a crash, with the same `id`. False: it is delivered in
            this process, and lost with it.
        id: Unique, growing with time (UUID version 7).
        timestamp: The moment it was recorded, in UTC.
        source: The part of the application it comes from.
        correlation_id: The id of the request that it is a consequence of, if there is one.
        metadata: Circumstances of the fact, such as the user who asked for it.
    """

    # The values are people's data, and stay out of the error that refuses them.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    type: ClassVar[str] = "event"
    version: ClassVar[int] = 1
    durable: ClassVar[bool] = False

    id: UUID = Field(default_factory=uuid7)
    timestamp: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    source: str = "app"
    correlation_id: str | None = Field(default_factory=current_request_id)
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 — Pydantic's own
        super().__init_subclass__(**options)
        if not isinstance(cls.__dict__.get("type"), str):
            raise TypeError(f'{cls.__name__} needs a name of its own: add `type: ClassVar[str] = "what.happened"`')

    def to_dict(self) -> dict[str, JsonValue]:
        """Return all of the event, its type and version included, as plain JSON."""
        return {"type": self.type, "version": self.version, **self.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, written: Mapping[str, JsonValue]) -> Self:
        """Return the event of these values, which `to_dict` has made.

        A subclass that changes its version overrides this, to make today's values of older ones.

        Raises:
            ValueError: The values are not those of this class, or of another version.
        """
        values = {name: value for name, value in written.items() if name not in {"type", "version"}}
        if (written["type"], written["version"]) != (cls.type, cls.version):
            raise ValueError(f"{written['type']} of version {written['version']} is no {cls.type} of {cls.version}")
        # From JSON: in its strict mode, text is a UUID there.
        return cls.model_validate_json(json.dumps(values))


def find_event_type(base: type[BaseEvent], name: str) -> type[BaseEvent] | None:
    """Return the class of this name, which is `base` or derived from it."""
    if base.type == name:
        return base
    return next((found for each in base.__subclasses__() if (found := find_event_type(each, name))), None)
