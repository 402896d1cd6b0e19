"""The `secrets` table, the paths in it, and the errors of a row that cannot be read.

    /organizations/{org}/{provider}_api_key
    /organizations/{org}/teams/{team}/{provider}_api_key

Each envelope is bound to its path, so that a place has one spelling and a spelling one place.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, String, Text, func, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, ReadSession, Statement, Timestamps
from app.core.exceptions import InfrastructureException, ValidationError

# The id of an organisation or a team; a UUID counts in its usual spelling, as `str()` gives it.
OwnerId = UUID | str

_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OWNER_RULE: Final = "up to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PROVIDER_RULE: Final = "up to 64 of a-z 0-9 . _ -, beginning with a letter or a digit"
# The longest path, with parts of 64 characters each, has 225.
_MAX_PATH_LENGTH: Final = 255


class SecretsError(InfrastructureException):
    """Raised when a stored secret cannot be read: a 500 for callers. `details` has path and key id, for the log."""

    code = "SECRET_UNREADABLE"


class UnknownKeyError(SecretsError):
    """Raised when the ring lacks the key of an envelope: taken out too early, or lost."""

    code = "SECRET_KEY_UNKNOWN"


class TamperedSecretError(SecretsError):
    """Raised when an envelope was altered, cut off, moved from another path or made by something else."""

    code = "SECRET_TAMPERED"


class Secret(Timestamps, Base):
    """An encrypted value; `updated_at` is the time at which it was last set, which a rotation leaves alone."""

    __tablename__ = "secrets"

    # Sorted by bytes, so that prefixes are the same on every server.
    path: Mapped[str] = mapped_column(String(_MAX_PATH_LENGTH, collation="C"), primary_key=True)
    # See `keyring.py`.
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    # The one in the envelope, to be searched and counted.
    key_id: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("key_id = encode(substr(envelope, 3, get_byte(envelope, 1)), 'escape')", name="key_id"),
    )


@dataclass(slots=True)
class StoredSecret:
    """An envelope and the place it is bound to."""

    path: str
    envelope: bytes


def api_key_path(org_id: OwnerId, provider: str, team_id: OwnerId | None = None) -> str:
    """Return the path of an organisation's API key, or of a team's in it; ValidationError for a malformed part."""
    if not _PROVIDER.fullmatch(provider):
        raise ValidationError("provider", f"A provider's name has {_PROVIDER_RULE}.")
    return f"{owner_prefix(org_id, team_id)}{provider}_api_key"


def owner_prefix(org_id: OwnerId, team_id: OwnerId | None = None) -> str:
    """Return the beginning of all paths of an organisation, or of a team in it; it ends in a slash."""
    for field, value in (("org_id", org_id), ("team_id", team_id)):
        if value is not None and not _OWNER.fullmatch(str(value)):
            raise ValidationError(field, f"An id has {_OWNER_RULE}.")
    return f"/organizations/{org_id}/" if team_id is None else f"/organizations/{org_id}/teams/{team_id}/"


@dataclass(slots=True)
class _Count:
    key_id: str
    secrets: int


_COUNT_BY_KEY: Final = Statement(
    select(Secret.key_id, func.count().label("secrets")).group_by(Secret.key_id).order_by(Secret.key_id), _Count
)


async def count_by_key(session: ReadSession) -> Mapping[str, int]:
    """Return the number of secrets that each key id has encrypted."""
    return {each.key_id: each.secrets for each in await session.all(_COUNT_BY_KEY)}
