"""The lines that every service writes, under the same names everywhere."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from app.core.exceptions import AppException
from app.core.logging.context import log_context_values
from app.core.logging.lines import OURS, EventDict, add_facts, redact_line, timestamp
from app.core.logging.setup import Logger, write_lines
from app.core.redaction import redact_text

# HTTP's statuses from here on say that the server has failed.
_FAILED: Final = 500

# The lines of requests that wait for the turn's end: the time, a logger, the context, and
# `log_request`'s arguments. Both ends may be used from different threads.
_answered: Final[deque[tuple[datetime, Logger, Mapping[str, str], str, str, int, float]]] = deque()
_flushed_by: asyncio.AbstractEventLoop | None = None


def log_request(logger: Logger, method: str, path: str, status: int, *, duration_ms: float) -> None:
    """Log that a request was answered: a warning from 500 on, since a person has to look at those.

    The line is written when this turn of the event loop ends, with those of the other requests that were answered in
    it. In the middle of a request the code for it is cold, and the line costs four times as much. uvloop sends the
    answers of a turn at its end, too: a process that is killed in between loses lines of answers that have hardly left.

    Args:
        logger: The logger it is written to.
        method: HTTP method.
        path: Path without the query string, which may hold personal data.
        status: HTTP status.
        duration_ms: Milliseconds from the first byte in to the last byte out.
    """
    global _flushed_by  # noqa: PLW0603 — one for the process, like the log
    _answered.append((datetime.now(UTC), logger, log_context_values(), method, path, status, duration_ms))
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        flush_requests()
        return
    # Another loop's turn may never end: it may have been stopped.
    if _flushed_by is not loop:
        _flushed_by = loop
        loop.call_soon(flush_requests)


def flush_requests() -> None:
    """Write the lines that wait for the end of the turn, now."""
    global _flushed_by  # noqa: PLW0603 — one for the process, like the log
    _flushed_by = None
    lines: list[tuple[int, EventDict]] = []
    while _answered:
        at, logger, context, method, path, status, duration_ms = _answered.popleft()
        failed = status >= _FAILED
        line: EventDict = {
            # There may be more than ids on the lines of this request.
            **(context if OURS.issuperset(context) else redact_line(None, "", {**context})),
            "event": "request",
            "method": redact_text(method),
            "path": redact_text(path),
            "status": status,
            "duration_ms": round(duration_ms, 2),
            "logger": logger.name,
            "level": "warning" if failed else "info",
            "timestamp": timestamp(at),
        }
        lines.append((logging.WARNING if failed else logging.INFO, line))
    write_lines(lines)


def log_db_query(logger: Logger, statement: str, *, duration_ms: float, rows: int | None = None) -> None:
    """Log that a statement ran; its parameters are left out, they are people's data.

    Args:
        logger: The logger it is written to.
        statement: SQL with placeholders.
        duration_ms: Milliseconds.
        rows: The number of rows it returned or changed, where known.
    """
    logger.debug("query", statement=" ".join(statement.split()), duration_ms=round(duration_ms, 2), rows=rows)


def log_error(logger: Logger, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
    """Log an error with its traceback and, for errors of this application, its facts.

    Args:
        logger: The logger it is written to.
        err: The error.
        context: Further facts; one that is called like a fact of the error gets an underscore.
    """
    facts = err.to_dict() if isinstance(err, AppException) else {"error": type(err).__name__, "message": err}
    # The line has a timestamp of its own, and what the error does not know may be in the context.
    facts = {name: fact for name, fact in facts.items() if fact is not None and name != "timestamp"}
    logger.error("error", extra=add_facts(facts, context or {}), exc_info=err)
