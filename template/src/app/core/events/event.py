"""The form every event has."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, get_type_hints
from uuid import UUID

from pydantic import AwareDatetime, JsonValue, TypeAdapter, ValidationError
from typing_extensions import TypedDict
from uuid_utils.compat import uuid7

from app.core.logging import current_request_id


@dataclass(frozen=True, kw_only=True)
class BaseEvent:
    """A fact. A subclass is a frozen dataclass too, has a name of its own, and adds what the fact is about.

        @dataclass(frozen=True, kw_only=True)
        class DoorOpened(BaseEvent):
            type: ClassVar[str] = "door.opened"
            door_id: UUID

    It holds plain values, which are checked against the annotations when it is made; never a row of a session:
    handlers run when that session is closed.

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
        ValueError: A value is not of its annotated type, or `timestamp` has no time zone.
    """

    type: ClassVar[str] = "event"
    version: ClassVar[int] = 1

    id: UUID = field(default_factory=uuid7)
    timestamp: AwareDatetime = field(default_factory=lambda: datetime.now(UTC))
    source: str = "app"
    correlation_id: str | None = field(default_factory=current_request_id)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # An inherited name would make two kinds of facts one for every reader of the name.
        if not isinstance(cls.__dict__.get("type"), str):
            raise TypeError(f'{cls.__name__} needs a name of its own: add `type: ClassVar[str] = "what.happened"`')

    def __post_init__(self) -> None:
        try:
            # Strict: what would be converted is not put back into the event.
            _values_of(type(self)).validate_python(self._values(), strict=True)
        except ValidationError as err:
            # Pydantic's own message quotes the values, which are people's data.
            rules = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in err.errors()]
            raise ValueError(f"{self.type} cannot be recorded: {'; '.join(rules)}") from None

    def to_dict(self) -> dict[str, JsonValue]:
        """Return all of the event, its type and version included, as values that JSON has."""
        values: dict[str, JsonValue] = _values_of(type(self)).dump_python(self._values(), mode="json")
        return {"type": self.type, "version": self.version, **values}

    def _values(self) -> dict[str, object]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


def _values_of(kind: type[BaseEvent]) -> TypeAdapter[Any]:
    """Return what checks and serialises the values of a class of events."""
    if (found := _adapters.get(kind)) is None:
        hints = get_type_hints(kind, include_extras=True)
        make: Any = TypedDict  # which mypy would have with constant fields
        values = make(kind.__name__, {each.name: hints[each.name] for each in fields(kind)})
        found = _adapters[kind] = TypeAdapter(values)
    return found


_adapters: Final[dict[type[BaseEvent], TypeAdapter[Any]]] = {}
