"""What a bus has done so far, in numbers that add up."""

from dataclasses import dataclass
from typing import NamedTuple


class EventBusStats(NamedTuple):
    """Counts since the bus was made.

    `published` counts events; all others count deliveries, of which an event has one for each of its handlers. At any
    moment `offered == delivered + failed + dropped + rejected + pending`.

    Attributes:
        published: Events that `publish()` took.
        offered: Deliveries that were due.
        delivered: The handler came to its end.
        failed: The handler raised, or ran out of time.
        dropped: Given up by the bus: the oldest of a full queue, what was left when it stopped or its handler
            was unsubscribed.
        rejected: Refused for want of room, and the publisher was told.
        pending: Not settled yet: waiting for room, in a queue, or under way.
    """

    published: int
    offered: int
    delivered: int
    failed: int
    dropped: int
    rejected: int
    pending: int


@dataclass
class Counters:
    """The counts while they grow; touched by the bus's event loop only."""

    published: int = 0
    offered: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    rejected: int = 0

    @property
    def pending(self) -> int:
        """Deliveries that are not settled yet."""
        return self.offered - self.delivered - self.failed - self.dropped - self.rejected

    def snapshot(self) -> EventBusStats:
        """The counts as they are now."""
        return EventBusStats(
            self.published, self.offered, self.delivered, self.failed, self.dropped, self.rejected, self.pending
        )
