"""The form every event has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from uuid_utils.compat import uuid7

from app.core.logging import current_request_id


@dataclass(frozen=True, kw_only=True)
class BaseEvent:
    """A fact. A subclass is a frozen dataclass too, has a name of its own, and adds what the fact is about.

        @dataclass(frozen=True, kw_only=True)
        class DoorOpened(BaseEvent):
            type: ClassVar = "door.opened"
            door_id: UUID

    It holds plain values, never a row of a session: handlers run when that session is closed.

    Attributes:
        type: The name it keeps for ever, whatever becomes of the class. Every subclass states its own.
        version: Of the subclass's fields: raise it when one changes its meaning or goes away.
        id: Unique, growing with time (UUID version 7).
        timestamp: When it was recorded, in UTC.
        source: The part of the application it comes from.
        correlation_id: What it is a consequence of: the id of the request, if there is one.
        metadata: What is known beside the fact, such as who asked for it.

    Raises:
        TypeError: A subclass has no `type` of its own.
        ValueError: `timestamp` has no time zone.
    """

    type: ClassVar[str] = "event"
    version: ClassVar[int] = 1

    id: UUID = field(default_factory=uuid7)
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    source: str = "app"
    correlation_id: str | None = field(default_factory=current_request_id)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # An inherited name would make two kinds of facts one for everybody who reads the name.
        if not isinstance(cls.__dict__.get("type"), str):
            raise TypeError(f'{cls.__name__} needs a name of its own: add `type: ClassVar = "what.happened"`')

    def __post_init__(self) -> None:
        if self.timestamp.tzinfo is None:
            raise ValueError(f"{self.type}: a timestamp needs a time zone; use datetime.now(UTC)")
