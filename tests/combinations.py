"""Which combinations of options are tested, and how deeply: the one place that says so.

The noxfile (which runs without the tests' dependencies) and the tests both read this table, so it
needs nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations


@dataclass(frozen=True, kw_only=True)
class Option:
    """A yes-or-no question of copier.yml.

    Attributes:
        question: Its name there.
        label: Its name in the id of a combination.
        default: Its answer unless one is given.
        traces: Regular expressions, case ignored, for the words that may appear nowhere in a
            project rendered without it.
    """

    question: str
    label: str
    default: bool
    traces: tuple[str, ...]


OPTIONS = (
    Option(
        question="use_redis",
        label="redis",
        default=False,
        # A licence speaks of redistribution.
        traces=(r"redis(?!tri)", r"valkey"),
    ),
    Option(
        question="use_sentry",
        label="sentry",
        default=False,
        traces=(r"sentry",),
    ),
    Option(
        question="use_stripe",
        label="stripe",
        default=False,
        # Connections of a pool are checked out, and most things are in some order.
        traces=(
            r"stripe",
            r"\borders?:(read|write)\b",
            r"/orders",
            r"/webhooks",
            r"webhook_event",
            r"core[./]payment",
            r"\b(init|close|check|get|create)_(payments?|refund|checkout)",
        ),
    ),
    Option(
        question="use_timescaledb",
        label="timescaledb",
        default=False,
        traces=(r"timescale", r"hypertable", r"columnstore", r"measurement", r"copy_rows"),
    ),
    Option(
        question="include_example",
        label="example",
        default=True,
        # `mapping.items()` is Python's, `items:`, `minItems` and `itemSchema` are JSON schema's,
        # YAML's and OpenAPI's, and a page of anything has `items`.
        traces=(
            r"(?<![.\w\"])items\b(?!:|=)",
            r"\bitem_(?!type\b)\w+",
            r"\bItem(?!getter|Schema)[A-Z]\w+",
            r"/items",
        ),
    ),
)


class Depth(IntEnum):
    """The depth of a combination's tests; each step includes those before it."""

    RENDERED = 1
    LINTED = 2
    TYPED = 3
    SUITE = 4


@dataclass(frozen=True, kw_only=True)
class Combination:
    """A choice of options, with how deeply it is tested and on which versions of Python."""

    on: frozenset[str]
    depth: Depth
    interpreters: tuple[str, ...]

    @property
    def id(self) -> str:
        """The labels of what is on, in the order of `OPTIONS`, or `bare`."""
        return "+".join(option.label for option in OPTIONS if option.label in self.on) or "bare"

    @property
    def answers(self) -> dict[str, bool]:
        """The answers for Copier: every option, on or off."""
        return {option.question: option.label in self.on for option in OPTIONS}

    @property
    def traces(self) -> tuple[str, ...]:
        """Regular expressions for the words of everything that is off."""
        return tuple(
            trace for option in OPTIONS if option.label not in self.on for trace in option.traces
        )


OLDEST_PYTHON = "3.11"
# Not on every machine that runs all the others.
NEWEST_PYTHON = "3.14"
PYTHONS = (OLDEST_PYTHON, "3.12", "3.13", NEWEST_PYTHON)

EXAMPLE = "example"
SERVICES = tuple(option.label for option in OPTIONS if option.label != EXAMPLE)


def _suite(*on: str, pythons: tuple[str, ...] = (OLDEST_PYTHON,)) -> Combination:
    return Combination(on=frozenset(on), depth=Depth.SUITE, interpreters=pythons)


# What a version of Python could break is in a project with everything or in one with nothing.
FULL = _suite(*SERVICES, EXAMPLE, pythons=PYTHONS)
BARE = _suite(pythons=PYTHONS)

# Every choice of services with the example; all of them and none of them without it, too.
COMBINATIONS = (
    FULL,
    _suite(*SERVICES),
    *(
        _suite(*services, EXAMPLE)
        for size in reversed(range(len(SERVICES)))
        for services in combinations(SERVICES, size)
    ),
    BARE,
)
