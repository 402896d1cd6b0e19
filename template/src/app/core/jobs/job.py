"""The form every job has."""

import json
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

from app.core.exceptions import JobVersionError


class BaseJob(BaseModel):
    """A piece of work. A subclass has a name of its own, and adds the values that the work needs.

        class SendReceipt(BaseJob):
            type: ClassVar[str] = "receipt.send"
            order_id: UUID

    It holds keys rather than rows: by the time it runs, the rows may have changed. Its handler may be run more than
    once, after a crash for example; `id` is the same each time, and serves as an idempotency key.

    Attributes:
        type: The name it keeps for ever, whatever becomes of the class. Every subclass states its own.
        version: Of the subclass's fields: raise it when one changes its meaning or goes away, and have `upgrade` make
            the new values of the old ones, since jobs of the version before may be waiting.
        attempts: How often it is tried before it is put aside, for `app jobs` to show.
        backoff_seconds: The wait after the first failure; it doubles with each further one.
        longest_backoff_seconds: The longest wait between two attempts.
        timeout_seconds: How long the handler may take.
        id: Unique, growing with time (UUID version 7).

    Raises:
        TypeError: A subclass has no `type` of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: ClassVar[str] = "job"
    version: ClassVar[int] = 1
    attempts: ClassVar[int] = 8
    backoff_seconds: ClassVar[float] = 5
    longest_backoff_seconds: ClassVar[float] = 3600
    timeout_seconds: ClassVar[float] = 60

    id: UUID = Field(default_factory=uuid7)

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 — Pydantic's own
        super().__init_subclass__(**options)
        if not isinstance(cls.__dict__.get("type"), str):
            raise TypeError(f'{cls.__name__} needs a name of its own: add `type: ClassVar[str] = "what.to_do"`')

    @classmethod
    def upgrade(cls, version: int, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 — for subclasses
        """Return the values that this version of the job has, made of those of an older one.

        Args:
            version: The version that was written.
            values: The values that were written, as JSON has them.

        Raises:
            JobVersionError: Unless a subclass says otherwise: it knows no other version.
        """
        raise JobVersionError(cls.type, written=version, known=cls.version)

    def to_payload(self) -> bytes:
        """Return the job as it is written into the queue."""
        return json.dumps({"version": self.version, "values": self.model_dump(mode="json")}).encode()

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Return the job that was written.

        Raises:
            JobVersionError: It is of a version that this code does not know.
            ValueError: It has not the values that its version has.
        """
        written = json.loads(payload)
        version, values = written["version"], written["values"]
        if version > cls.version:
            raise JobVersionError(cls.type, written=version, known=cls.version)
        return cls.model_validate(cls.upgrade(version, values) if version < cls.version else values)

    @classmethod
    def backoff(cls, failures: int) -> float:
        """Return the seconds to wait after so many failures."""
        # The exponent is bounded because 2.0**1024 is an error.
        return min(cls.longest_backoff_seconds, cls.backoff_seconds * 2.0 ** min(failures - 1, 64))
