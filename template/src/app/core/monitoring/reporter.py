"""The port that reports leave by, beside the log."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


class Reporter:
    """A place for reports; this one drops them all.

    Another one overrides what it has a use for. It is called from any task and thread, returns at once, sends later,
    raises nothing, and takes secrets out by itself.
    """

    def capture_exception(self, err: BaseException, context: Mapping[str, object]) -> None:
        """Report an error with its traceback."""

    def capture_message(self, message: str, level: Level, context: Mapping[str, object]) -> None:
        """Report a sentence."""

    def set_user(self, user_id: str, *, email: str | None, username: str | None) -> None:
        """Put the user on further reports of this scope."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Put values that reports are searched by on further reports of this scope."""

    def add_breadcrumb(self, message: str, *, category: str, data: Mapping[str, object]) -> None:
        """Leave a step for further reports of this scope."""

    def scope(self) -> AbstractContextManager[object]:
        """Keep user, tags and breadcrumbs apart from those outside."""
        return nullcontext()

    def span(self, _name: str) -> AbstractContextManager[object]:
        """Time the block; a span that begins within another is a part of it."""
        return nullcontext()
