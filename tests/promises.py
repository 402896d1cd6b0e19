"""What the rendered project's tests promise, each with a way to break it.

A line is a file, a text in it, what to put there instead, and the test that must then fail. To add
a promise, add a line. `tests/test_promises.py` keeps them.
"""

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


PROMISES = (
    Promise(
        "the commit comes before the response",
        "src/app/api/dependencies.py",
        'scope="function"',
        'scope="request"',
        "tests/integration/api/test_commit_before_response.py",
    ),
)
