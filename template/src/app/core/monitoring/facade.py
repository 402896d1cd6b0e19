"""The one object that reports go through."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from app.core.logging import bind_log_context, get_logger, is_log_context_open, log_context, log_error
from app.core.monitoring.reporter import Level, Reporter

logger = get_logger(__name__)


class Monitor:
    """Writes every report to the log, and hands it to a reporter while there is one.

    No call raises or waits. The log takes secrets out of its lines, a reporter out of what it sends.
    """

    def __init__(self) -> None:
        self._reporter = Reporter()

    @contextmanager
    def reporting_to(self, reporter: Reporter) -> Iterator[None]:
        """Hand reports to this reporter, too, until the block ends."""
        before, self._reporter = self._reporter, reporter
        try:
            yield
        finally:
            self._reporter = before

    def request_scope(self, values: Mapping[str, str]) -> AbstractContextManager[None]:
        """Put values on the log's lines and on the reports of a request, which a reporter keeps apart by itself."""
        _contained(self._reporter.set_tags, values)
        return log_context(**values)

    @contextmanager
    def scope(self, **values: str) -> Iterator[None]:
        """Begin a job or the delivery of an event: it has a user and breadcrumbs of its own.

        Args:
            values: Put on the log's lines and on the reports made inside.
        """
        with self._reporter.scope(), log_context(**values):
            _contained(self._reporter.set_tags, values)
            yield

    def capture_exception(self, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
        """Report an unexpected error, with its traceback.

        Args:
            err: The error, raised or not.
            context: Facts that help to understand it.
        """
        log_error(logger, err, context=context)
        _contained(self._reporter.capture_exception, err, context or {})

    def capture_message(
        self, message: str, level: Level = "info", *, context: Mapping[str, object] | None = None
    ) -> None:
        """Report something that is no exception but worth a person's attention.

        Args:
            message: A constant sentence, so that equal reports are recognised; what varies goes into `context`.
            level: The severity.
            context: Facts that help to understand it.
        """
        getattr(logger, level)(message, extra=context)
        _contained(self._reporter.capture_message, message, level, context or {})

    def set_user(self, user_id: object, *, email: str | None = None, username: str | None = None) -> None:
        """Name the user of this request: reports carry it, and every further line of the log carries `user_id`.

        In a thread, only the lines of that thread do. Outside of a request or a scope, it does nothing.

        Args:
            user_id: The user's key.
            email: The user's address, for reports; never logged.
            username: The user's name, for reports; never logged.
        """
        if is_log_context_open():
            bind_log_context(user_id=str(user_id))
            _contained(self._reporter.set_user, str(user_id), email=email, username=username)

    def add_breadcrumb(
        self, message: str, *, category: str = "default", data: Mapping[str, object] | None = None
    ) -> None:
        """Leave a step that further reports of this request are sent with; the log has it at DEBUG.

        Args:
            message: The step, in words.
            category: The kind of step, such as "http".
            data: Facts about it.
        """
        logger.debug("breadcrumb", step=message, category=category, data=data)
        _contained(self._reporter.add_breadcrumb, message, category=category, data=data or {})

    @contextmanager
    def trace(self, name: str) -> Iterator[None]:
        """Time what runs inside, in coroutines as well: a line of the log at DEBUG, and a span. Traces nest.

        Args:
            name: A constant, such as "report.render".
        """
        began = time.perf_counter()
        outcome = "failed"
        try:
            with self._reporter.span(name):
                yield
            outcome = "done"
        finally:
            duration_ms = round((time.perf_counter() - began) * 1000, 2)
            logger.debug("trace", name=name, duration_ms=duration_ms, outcome=outcome)


def _contained(report: Callable[..., None], *args: object, **facts: object) -> None:
    """Log what a reporter fails with, and no more: the request goes on."""
    try:
        report(*args, **facts)
    except Exception as err:  # noqa: BLE001 — a reporter's own business
        logger.warning("monitoring failed", part=report.__name__, reason=type(err).__name__)
