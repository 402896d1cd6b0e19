"""The lines that every service writes, under the same names everywhere."""

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from app.core.exceptions import AppException
from app.core.logging.lines import IDS, EventDict, add_facts, log_context_values, redact_line
from app.core.logging.setup import Logger, write_lines
from app.core.redaction import redact_text

_FAILED: Final = 500  # HTTP's statuses from here on say that the server has failed

# The lines of requests that wait for the turn's end, each beside its context.
_answered: Final[deque[tuple[Mapping[str, str], EventDict]]] = deque()


def log_request(logger: Logger, method: str, path: str, status: int, *, duration_ms: float) -> None:
    """Log that a request was answered; a warning from status 500 on.

    The line is written when this turn of the event loop ends, with those of the other requests that were answered in
    it: in the middle of a request it costs four times as much. The path comes without the query string, which may
    hold personal data; the duration is in milliseconds.
    """
    line: EventDict = {
        "event": "request",
        "method": method,
        "path": path,
        "status": status,
        "duration_ms": round(duration_ms, 2),
        "logger": logger.name,
        "level": "warning" if status >= _FAILED else "info",
        "timestamp": datetime.now(UTC),
    }
    _answered.append((log_context_values(), line))
    try:
        asyncio.get_running_loop().call_soon(flush_requests)
    except RuntimeError:  # there is no loop, and no turn to wait for
        flush_requests()


def flush_requests() -> None:
    """Write the lines that wait for the end of the turn, now."""
    lines = []
    while _answered:
        context, line = _answered.popleft()
        # There may be more than ids on the lines of this request.
        ids = context if IDS.issuperset(context) else redact_line(None, "", {**context})
        lines.append({**ids, **line, "method": redact_text(line["method"]), "path": redact_text(line["path"])})
    write_lines(lines)


def log_db_query(
    logger: Logger, statement: str, *, duration_ms: float, rows: int | None = None, slow: bool = False
) -> None:
    """Log that a statement with placeholders ran for so many milliseconds, and its rows; a warning if it was slow."""
    log = logger.warning if slow else logger.debug
    log("query", statement=" ".join(statement.split()), duration_ms=round(duration_ms, 2), rows=rows)


def log_error(logger: Logger, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
    """Log an error with its traceback, its facts if it is one of this application's, and those of the context."""
    facts = err.to_dict() if isinstance(err, AppException) else {"error": type(err).__name__, "message": err}
    facts = {name: fact for name, fact in facts.items() if fact is not None and name != "timestamp"}
    logger.error("error", extra=add_facts(facts, context or {}), exc_info=err)
