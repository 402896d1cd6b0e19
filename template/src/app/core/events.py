"""What happened, as facts that other parts of the application may react to."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


@dataclass(frozen=True, kw_only=True)
class BaseEvent:
    """A fact. Subclasses add what it is about; a unit of work publishes it once it is true.

    Attributes:
        id: Unique, growing with time.
        occurred_at: When it was recorded, in UTC.
    """

    id: UUID = field(default_factory=uuid7)
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))
