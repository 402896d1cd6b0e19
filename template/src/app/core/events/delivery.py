"""The delivery of durable events."""

from typing import Any, ClassVar

from app.core.jobs import BaseJob


class DeliverEvent(BaseJob):
    """Hands a durable event to one of its subscribers, again and again for a day until it succeeds.

    Attributes:
        subscriber: The handler, by its module and name.
        event: Its type, version and values.
    """

    type: ClassVar[str] = "event.deliver"
    attempts: ClassVar[int] = 30
    timeout_seconds: ClassVar[float] = 60

    subscriber: str
    event: dict[str, Any]
