"""Reports of what goes wrong in this service, and of the time that things take: `from app.core import monitor`.

The log has every report. A `Reporter` sends them elsewhere, too.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Literal

from app.core.logging import bind_log_context, get_logger, log_context, log_error
from app.core.telemetry import span

logger = get_logger(__name__)

Level = Literal["debug", "info", "warning", "error"]


class Reporter:
    """A place for reports; this one drops them all. Another one overrides what it has a use for.

    It is called from any task and thread, raises nothing, sends later, and takes secrets out by itself.
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


class Monitor:
    """Writes every report to the log, and hands it to its `reporter`."""

    def __init__(self) -> None:
        self.reporter = Reporter()

    def request_scope(self, values: Mapping[str, str]) -> AbstractContextManager[None]:
        """Put values on the log's lines and on the reports of a request, which a reporter keeps apart by itself."""
        self.reporter.set_tags(values)
        return log_context(**values)

    @contextmanager
    def scope(self, **values: str) -> Iterator[None]:
        """Put values on the log's lines and the reports of a job or of an event's delivery, and keep those apart."""
        with self.reporter.scope(), self.request_scope(values):
            yield

    def capture_exception(self, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
        """Report an unexpected error, raised or not, with its traceback and facts that help to understand it."""
        log_error(logger, err, context=context)
        self.reporter.capture_exception(err, context or {})

    def capture_message(
        self, message: str, level: Level = "info", *, context: Mapping[str, object] | None = None
    ) -> None:
        """Report a constant sentence that is worth a person's attention; what varies goes into `context`."""
        getattr(logger, level)(message, extra=context)
        self.reporter.capture_message(message, level, context or {})

    def set_user(self, user_id: object, *, email: str | None = None, username: str | None = None) -> None:
        """Put the user on the reports of this request, and `user_id` alone on its further lines; nothing outside."""
        if bind_log_context(user_id=str(user_id)):
            self.reporter.set_user(str(user_id), email=email, username=username)

    def add_breadcrumb(
        self, message: str, *, category: str = "default", data: Mapping[str, object] | None = None
    ) -> None:
        """Leave a step that further reports of this request are sent with; the log has it at DEBUG."""
        logger.debug("breadcrumb", step=message, category=category, data=data)
        self.reporter.add_breadcrumb(message, category=category, data=data or {})

    @contextmanager
    def trace(self, name: str) -> Iterator[None]:
        """Time what runs inside, under a constant name ("report.render"): a line at DEBUG, and a span. Traces nest."""
        began = time.perf_counter()
        try:
            with span(name), self.reporter.span(name):
                yield
        finally:
            logger.debug("trace", name=name, duration_ms=round((time.perf_counter() - began) * 1000, 2))


monitor: Final = Monitor()
