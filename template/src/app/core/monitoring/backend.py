"""Where reports go: what that has to be able to do, and the log, which does it everywhere."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

from app.core.logging import get_logger, log_error
from app.core.monitoring.report import Level, Report

logger = get_logger(__name__)

_span: Final[ContextVar[str | None]] = ContextVar("monitoring_span", default=None)


class MonitorBackend(Protocol):
    """A place for reports. It returns at once and sends later: a request waits for it.

    It is called from any task or thread. What it raises is logged and goes no further.
    """

    def capture_exception(self, err: BaseException, report: Report) -> None:
        """Report an error with its traceback."""
        ...

    def capture_message(self, message: str, level: Level, report: Report) -> None:
        """Report something that is no exception."""
        ...

    def span(self, name: str) -> AbstractContextManager[object]:
        """Time what runs inside; a span that begins within another is a part of it."""
        ...


class LogBackend:
    """Writes reports to the log; a span is one line of level debug, when it ends."""

    def capture_exception(self, err: BaseException, report: Report) -> None:
        """One line with the traceback, the context and the breadcrumbs."""
        log_error(logger, err, context=_facts(report))

    def capture_message(self, message: str, level: Level, report: Report) -> None:
        """One line of that level."""
        getattr(logger, level)(message, extra=_facts(report))

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Logs milliseconds, and under `parent` the names of the spans around it, outermost first."""
        parent = _span.get()
        token = _span.set(f"{parent} > {name}" if parent else name)
        began = time.perf_counter()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            duration_ms = round((time.perf_counter() - began) * 1000, 2)
            _span.reset(token)
            logger.debug("trace", name=name, parent=parent, duration_ms=duration_ms, outcome=outcome)


def _facts(report: Report) -> dict[str, object]:
    """Neither user nor request: both are on the line anyway, as ids."""
    if not report.breadcrumbs:
        return dict(report.context)
    crumbs = [
        {"at": crumb.timestamp.isoformat(), "category": crumb.category, "message": crumb.message, **crumb.data}
        for crumb in report.breadcrumbs
    ]
    return {**report.context, "breadcrumbs": crumbs}
