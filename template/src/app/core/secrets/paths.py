"""The path under which a secret is kept, and the errors of one that cannot be read.

    /organizations/{org}/{provider}_api_key
    /organizations/{org}/teams/{team}/{provider}_api_key

The path is also what the ciphertext is bound to, so one spelling is the only one. Parts are of an alphabet without
slashes, so that no two places share a path; without letters beyond ASCII, so that no two paths look alike; and begin
with a letter or a digit, so that none is `.` or `..`.
"""

import re
from typing import Final, NewType
from uuid import UUID

from app.core.config.http_client import PROVIDER_NAME, PROVIDER_RULE
from app.core.exceptions import InfrastructureException, ValidationError

SecretPath = NewType("SecretPath", str)
# The id of an organisation or a team; a UUID counts in its usual spelling, as `str()` gives it.
OwnerId = UUID | str

# The longest path, with parts of 64 characters each, has 225.
MAX_PATH_LENGTH: Final = 255

_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OWNER_RULE: Final = "up to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"


class SecretsError(InfrastructureException):
    """Raised when a stored secret cannot be read. `details` names its path and key id, never a value or a key.

    A caller learns nothing of it but a support id (500); the log, which row.
    """

    code = "SECRET_UNREADABLE"


class UnknownKeyError(SecretsError):
    """Raised when the ring lacks the key it was encrypted with: taken out too early, or lost."""

    code = "SECRET_KEY_UNKNOWN"


class TamperedSecretError(SecretsError):
    """Raised when it was altered, moved from another path, or encrypted with another key of the same id."""

    code = "SECRET_TAMPERED"


class MalformedEnvelopeError(SecretsError):
    """Raised when it is no envelope of ours: cut off, of an unknown version, or made by something else."""

    code = "SECRET_MALFORMED"


def api_key_path(org_id: OwnerId, provider: str, team_id: OwnerId | None = None) -> SecretPath:
    """Return the path of an organisation's API key, or of a team's in it.

    Raises:
        ValidationError: A part breaks the rule of its alphabet.
    """
    if not PROVIDER_NAME.fullmatch(provider):
        raise ValidationError("provider", f"A provider's name has {PROVIDER_RULE}.")
    return SecretPath(f"{owner_prefix(org_id, team_id)}{provider}_api_key")


def owner_prefix(org_id: OwnerId, team_id: OwnerId | None = None) -> str:
    """Return the beginning of all paths of an organisation, or of a team in it; it ends in a slash.

    Raises:
        ValidationError: A part breaks the rule of its alphabet.
    """
    prefix = f"/organizations/{_owner('org_id', org_id)}/"
    return prefix if team_id is None else f"{prefix}teams/{_owner('team_id', team_id)}/"


def _owner(field: str, value: OwnerId) -> str:
    text = str(value)
    if not _OWNER.fullmatch(text):
        raise ValidationError(field, f"An id has {_OWNER_RULE}.")
    return text
