"""Where a secret is kept. The path is also what its ciphertext is bound to, so one spelling is the only one.

    /organizations/{org}/{provider}_api_key
    /organizations/{org}/teams/{team}/{provider}_api_key

Parts are of an alphabet without slashes, so that no two places share a path; without letters beyond ASCII, so that no
two paths look alike; and begin with a letter or a digit, so that none is `.` or `..`.
"""

import re
from typing import Final, NewType
from uuid import UUID

from app.core.config.http_client import PROVIDER_NAME, PROVIDER_RULE
from app.core.exceptions import ValidationError

SecretPath = NewType("SecretPath", str)
# What identifies an organisation or a team; a UUID counts in its usual spelling, as `str()` gives it.
OwnerId = UUID | str

# The longest path, with parts of 64 characters each, has 225.
MAX_PATH_LENGTH: Final = 255

_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OWNER_RULE: Final = "up to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"


def api_key_path(org_id: OwnerId, provider: str, team_id: OwnerId | None = None) -> SecretPath:
    """The path of an API key.

    Args:
        org_id: The organisation.
        provider: Whose key it is, such as "openai".
        team_id: The team; None for the organisation's own.

    Raises:
        ValidationError: A part breaks the rule of its alphabet.
    """
    if not PROVIDER_NAME.fullmatch(provider):
        raise ValidationError("provider", f"A provider's name has {PROVIDER_RULE}.")
    return SecretPath(f"{owner_prefix(org_id, team_id)}{provider}_api_key")


def owner_prefix(org_id: OwnerId, team_id: OwnerId | None = None) -> str:
    """What the paths of an organisation, or of a team in it, begin with; ends in a slash.

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
