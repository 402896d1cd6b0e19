"""BaseEvent."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.core.logging import log_context
from tests.buses import Counted, CountedTwice


def test_an_event_has_an_id_a_moment_and_its_request() -> None:
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


def test_ids_grow_with_time_and_no_two_share_metadata() -> None:
    events = [Counted() for _ in range(100)]

    assert [event.id for event in events] == sorted({event.id for event in events})
    assert events[0].metadata is not events[1].metadata


def test_an_event_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Counted().number = 4  # type: ignore[misc]


def test_a_class_of_events_needs_a_type_of_its_own() -> None:
    assert CountedTwice().type == "counted.twice"
    with pytest.raises(TypeError, match="Nameless needs a name of its own"):

        class Nameless(Counted):
            pass


def test_to_dict_is_complete() -> None:
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
        ("number", "3"),
        ("id", "Xq7planted"),
        ("metadata", {"row": object()}),
        ("unknown", "Xq7planted"),
        ("timestamp", datetime(2026, 11, 20)),  # noqa: DTZ001 — without a zone
    ],
)
def test_an_event_refuses_a_value_of_another_type_and_does_not_quote_it(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        Counted(**{name: wrong})  # type: ignore[arg-type]

    assert "planted" not in str(caught.value)
