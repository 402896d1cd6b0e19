"""The form of a promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A change of the rendered project that one of its own tests must notice.

    Attributes:
        name: What is promised, in a few words; the id of the test here.
        file: The file to change.
        old: A text that is in it; every occurrence is replaced.
        new: What replaces it.
        test: The node of the rendered suite that passes before and fails after.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
