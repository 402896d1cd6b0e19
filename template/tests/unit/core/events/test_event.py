"""BaseEvent."""

import json
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from app.core.events import BaseEvent
from app.core.logging import log_context
from tests.buses import Counted, CountedTwice


def test_an_event_knows_what_when_and_why() -> None:
    before = datetime.now(UTC)
    with log_context(request_id="r-12345678"):
        event = Counted(number=3, metadata={"by": "ada"})

    assert event.id.version == 7
    assert before <= event.timestamp <= datetime.now(UTC)
    assert event.timestamp.utcoffset() == timedelta(0)
    assert (event.type, event.version, event.source) == ("counted", 1, "app")
    assert event.correlation_id == "r-12345678"
    assert event.metadata == {"by": "ada"}
    assert Counted().correlation_id is None


def test_ids_grow_with_time_and_metadata_is_shared_by_nobody() -> None:
    events = [Counted() for _ in range(100)]

    assert [event.id for event in events] == sorted({event.id for event in events})
    assert events[0].metadata is not events[1].metadata


def test_a_fact_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Counted().number = 4  # type: ignore[misc]


def test_every_class_has_a_name_of_its_own() -> None:
    assert CountedTwice().type == "counted.twice"
    with pytest.raises(TypeError, match="Nameless needs a name of its own"):

        @dataclass(frozen=True, kw_only=True)
        class Nameless(Counted):
            pass


def test_a_class_may_have_slots_and_a_version() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Slotted(BaseEvent):
        type: ClassVar[str] = "slotted"
        version: ClassVar[int] = 2

    assert (Slotted().type, Slotted().version) == ("slotted", 2)


def test_an_event_that_is_serialised_is_complete() -> None:
    event = Counted(number=3, metadata={"by": "ada"}, correlation_id="r-12345678")

    assert json.loads(json.dumps(event.to_dict())) == {
        "type": "counted",
        "version": 1,
        "id": str(event.id),
        "timestamp": event.timestamp.isoformat().replace("+00:00", "Z"),
        "source": "app",
        "correlation_id": "r-12345678",
        "metadata": {"by": "ada"},
        "number": 3,
    }


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("number", "three-of-Xq7planted"),
        ("id", "Xq7planted"),
        ("metadata", {"row": object()}),
        ("timestamp", datetime(2026, 11, 20)),  # noqa: DTZ001 — without a zone
    ],
)
def test_a_value_of_another_type_is_refused_and_not_quoted(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        Counted(**{name: wrong})  # type: ignore[arg-type]

    assert "planted" not in str(caught.value)
