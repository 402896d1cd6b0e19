"""What the monitor knows, in the words of Sentry's event payloads (develop.sentry.dev, "Event Payloads")."""

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from app.core.exceptions import AppException
from app.core.logging import current_trace_id
from app.core.logging.context import log_context_values
from app.core.monitoring.report import Breadcrumb, Level, Report, User
from app.core.monitoring.sentry.spans import Span

# Facts of a report that somebody searches for, beside those that are on every line of the log.
_TAGGED_FACTS: Final = ("operation", "support_id")
# They have places of their own in an event.
_NO_TAGS: Final = frozenset({"trace_id", "user_id"})
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")


def message_event(message: str, level: Level) -> dict[str, Any]:
    """Something that is no exception; equal messages are one issue."""
    return {"message": message, "level": level}


def error_facts(err: BaseException) -> dict[str, Any]:
    """What an error of this application tells beside its message."""
    if not isinstance(err, AppException):
        return {}
    facts = err.to_dict()
    return {
        "contexts": {"application error": {name: facts[name] for name in ("error_code", "operation", "details")}},
        "tags": {"error_code": err.error_code},
    }


def report_facts(report: Report, *, span: Span | None, personal_data: bool) -> dict[str, Any]:
    """The request that a report is about, and what it left behind.

    Args:
        report: Without secrets already.
        span: What is being timed.
        personal_data: Whether the user's address and name are among them.
    """
    return {
        **request_facts(report, personal_data=personal_data),
        "contexts": {"trace": trace_context(report, span)},
        "breadcrumbs": {"values": list(map(_breadcrumb, report.breadcrumbs))},
        "extra": dict(report.context),
    }


def request_facts(report: Report, *, personal_data: bool) -> dict[str, Any]:
    """Who asked for what: by the route's template, since the path itself has people's keys in it."""
    tags = {name: value for name, value in log_context_values().items() if name not in _NO_TAGS}
    tags |= {name: str(report.context[name]) for name in _TAGGED_FACTS if name in report.context}
    facts: dict[str, Any] = {"tags": tags}
    if report.user is not None:
        facts["user"] = _user(report.user, personal_data=personal_data)
    if report.request is not None:
        method, route = report.request
        facts["request"] = {"method": method}
        facts["tags"]["method"] = method
        if route is not None:
            facts["request"]["url"] = route
            facts["tags"]["route"] = route
            facts["transaction"] = f"{method} {route}"
            facts["transaction_info"] = {"source": "route"}
    return facts


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """One event of several parts; tags and contexts of all of them."""
    event: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            event[name] = {**event.get(name, {}), **value} if name in {"contexts", "tags"} else value
    return event


def trace_context(report: Report, span: Span | None) -> dict[str, str]:
    """Where a report belongs among the traces."""
    if span is not None and span.transaction is not None:
        return {"trace_id": span.transaction.trace_id, "span_id": span.span_id}
    return {"trace_id": trace_id_of(report), "span_id": os.urandom(8).hex()}


def trace_id_of(report: Report) -> str:
    """The caller's trace if it sent one, else one for each request: its id where that has the form, or made of it.

    So whatever is reported of a request is one trace, and the log has its name.
    """
    if trace_id := current_trace_id():
        return trace_id
    request_id = report.request_id
    if request_id is None:
        return os.urandom(16).hex()
    if _TRACE_ID.fullmatch(request_id):
        return request_id
    return hashlib.sha256(request_id.encode()).hexdigest()[:32]


def _user(user: User, *, personal_data: bool) -> dict[str, str]:
    """No address of the network, by which Sentry would find a place."""
    known = {"id": user.id}
    if personal_data and user.email is not None:
        known["email"] = user.email
    if personal_data and user.username is not None:
        known["username"] = user.username
    return known


def _breadcrumb(crumb: Breadcrumb) -> dict[str, Any]:
    return {
        "timestamp": crumb.timestamp.isoformat(),
        "category": crumb.category,
        "message": crumb.message,
        "data": dict(crumb.data),
    }
