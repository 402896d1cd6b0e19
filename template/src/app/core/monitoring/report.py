"""What a report tells beside the error or the message itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]


class User(NamedTuple):
    """Who made the request.

    Attributes:
        id: Their key.
        email: Their address, if they gave it; no log line ever holds it.
        username: What they are called.
    """

    id: str
    email: str | None = None
    username: str | None = None


class Breadcrumb(NamedTuple):
    """A step on the way to a report.

    Attributes:
        timestamp: When, in UTC.
        message: What was done, without secrets.
        category: Which kind of step, such as "http".
        data: Facts about it, without secrets.
    """

    timestamp: datetime
    message: str
    category: str
    data: Mapping[str, object]


class Request(NamedTuple):
    """What was asked for.

    Attributes:
        method: HTTP method.
        route: The template of the path, such as "/users/{user_id}"; None when none was found.
    """

    method: str
    route: str | None


class Report(NamedTuple):
    """What is known at the moment of a report. Secrets are taken out already.

    Attributes:
        context: Facts that came with the report.
        breadcrumbs: The last steps of this request, oldest first.
        user: Who made the request, if somebody has said so.
        request_id: Which request it was, if any.
        request: What was asked for; None in what the request has only led to.
    """

    context: Mapping[str, object]
    breadcrumbs: tuple[Breadcrumb, ...]
    user: User | None
    request_id: str | None
    request: Request | None = None
