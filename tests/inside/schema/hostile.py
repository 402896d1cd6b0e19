"""Values that JSON, a path, a query or a header can spell and that something behind them may choke on."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from tests.documents import Document, resolve

Place = tuple[str | int, ...]

# Beyond the largest body, and just below it.
_LONG: Final = ("x" * 1_048_576, "x" * 1_040_000)
_HALVES: Final = ("\ud800", "a\udfffb", "a\x00b")
_FORMS: Final = ("\u00e9", "e\u0301", "\u0130", "\U0001f418", "\u2028\u202e\ufeff\uffff", "\x1b[31m\r\nforged")
_SHORT: Final = (*_HALVES, *_FORMS, "  ", " padded\u00a0", "")
TEXTS: Final[tuple[Any, ...]] = (*_SHORT, *_LONG, None, 7)
MOMENTS: Final[tuple[Any, ...]] = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "10000-01-01T00:00:00Z",
    "2040-01-31T12:00:00",
    "2040-01-31T12:00:00+05:45",
    "2040-01-31T12:00:00.123456789Z",
    "2016-12-31T23:59:60Z",
    "2040-02-30T00:00:00Z",
    *(1e18, 10**30, float("nan")),
)
_WHOLE: Final = (0, -1, 2**31, 2**63, 10**30, 10**400)
_BROKEN: Final = (1.5, 1e100, 1e308, 5e-324, float("nan"), float("inf"))
NUMBERS: Final[tuple[Any, ...]] = (*_WHOLE, *_BROKEN, True, "1", "\ud800", None)


def nested(levels: int) -> dict[str, Any]:
    """Objects in each other."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


_OBJECTS: Final[tuple[Any, ...]] = (
    *({"a": [text]} for text in TEXTS),
    *({text: 1} for text in TEXTS if isinstance(text, str)),
    *({"a": number} for number in NUMBERS),
    *(nested(levels) for levels in (20, 32, 33, 200, 253, 900)),
    {"a": [[[[[]]]]], "b": {}, "": False},
    {"e\u0301": 1, "\u00e9": 2},
    {"a": -(2**64), "b": -0.0, "c": 10**308, "d": 2**53 + 1},
)


def places(schema: dict[str, Any], value: Any, document: Document) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the places of values within a value, and their schemas."""
    schema = {**resolve(schema, document)}
    if isinstance(value, dict) and "properties" in schema:
        for name, part in schema["properties"].items():
            yield from (((name, *rest), each) for rest, each in places(part, value.get(name), document))
    elif isinstance(value, list):
        for rest, each in places(schema["items"], value[0], document):
            yield (0, *rest), each
    else:
        yield (), schema


def hostile(schema: Mapping[str, Any], good: Any) -> Iterator[Any]:
    """Values for a place, by themselves and as part of what is good there."""
    if schema.get("type") == "object" and "properties" not in schema:
        yield from _OBJECTS
    elif schema.get("format") == "date-time":
        yield from MOMENTS
    elif schema.get("type") in {"integer", "number"}:
        yield from NUMBERS
    else:
        yield from TEXTS
        yield from (good[:1] + text + good[1:] for text in _SHORT if isinstance(good, str))


def get_at(value: Any, place: Place) -> Any:
    """The value at a place; None where there is no such place."""
    for step in place:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def put_at(value: Any, place: Place, new: Any) -> Any:
    """A copy of the value with another one at this place."""
    if not place:
        return new
    if isinstance(value, list):
        return [put_at(each, place[1:], new) if index == place[0] else each for index, each in enumerate(value)]
    return {**value, place[0]: put_at(value.get(place[0]), place[1:], new)}


# Phrases of descriptions that announce a change of the value.
_NORMALISED: Final[Mapping[str, Callable[[str], str]]] = {
    "whitespace around it is removed": str.strip,
    "lower case": str.lower,
    "NFC": partial(unicodedata.normalize, "NFC"),
}


def same(given: Any, got: Any, schema: Mapping[str, Any]) -> bool:
    """Return True if the value came out as it went in, or as the schema's description says."""
    if given == got:
        return True
    if isinstance(given, dict) and isinstance(got, dict):
        return given.keys() == got.keys() and all(same(given[key], got[key], {}) for key in given)
    if isinstance(given, list) and isinstance(got, list):
        return len(given) == len(got) and all(same(*pair, {}) for pair in zip(given, got, strict=True))
    if schema.get("format") == "date-time":
        return bool(datetime.fromisoformat(given) == datetime.fromisoformat(got))
    if isinstance(given, str) and isinstance(got, str):
        for words, normalise in _NORMALISED.items():
            if words in schema.get("description", ""):
                given = normalise(given)
        return bool(given == got)
    # The same number to every reader that takes it for a double (RFC 8259, 6).
    numbers = isinstance(given, float | int) and isinstance(got, float | int) and float in {type(given), type(got)}
    return numbers and float(given) == float(got)
