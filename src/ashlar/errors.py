"""The one error that reaches the user."""

from __future__ import annotations


class RefusedError(Exception):
    """Raised when a command cannot go on; says why in a sentence, and what to do about it.

    Attributes:
        next_step: What helps, as a sentence.
    """

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step
