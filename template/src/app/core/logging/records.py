"""The lines that every service writes, under the same names everywhere."""

import logging
from collections.abc import Mapping
from typing import Final

from app.core.exceptions import AppException
from app.core.logging.setup import Logger
from app.core.redaction import redact_text

# HTTP's statuses from here on say that the server has failed.
_FAILED: Final = 500


def log_request(logger: Logger, method: str, path: str, status: int, *, duration_ms: float) -> None:
    """A request was answered: a warning from 500 on, since somebody has to look at those.

    Args:
        logger: Where to.
        method: HTTP method.
        path: Path without the query string, which may hold personal data.
        status: HTTP status.
        duration_ms: Milliseconds from the first byte in to the last byte out.
    """
    facts: dict[str, str | float] = {
        "event": "request",
        "method": redact_text(method),
        "path": redact_text(path),
        "status": status,
        "duration_ms": round(duration_ms, 2),
    }
    logger.write_clean(logging.WARNING if status >= _FAILED else logging.INFO, facts)


def log_db_query(logger: Logger, statement: str, *, duration_ms: float, rows: int | None = None) -> None:
    """A statement ran; its parameters are left out, they are people's data.

    Args:
        logger: Where to.
        statement: SQL with placeholders.
        duration_ms: Milliseconds.
        rows: How many rows it returned or changed, where known.
    """
    logger.debug("query", statement=" ".join(statement.split()), duration_ms=round(duration_ms, 2), rows=rows)


def log_error(logger: Logger, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
    """Something failed: the error with its traceback and, for errors of this application, its facts."""
    facts = err.to_dict() if isinstance(err, AppException) else {"error": type(err).__name__, "message": str(err)}
    logger.error("error", extra={**facts, **(context or {})}, exc_info=err)
