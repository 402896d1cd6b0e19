"""The caller of a request, and the scopes that follow from a role."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from app.core.exceptions import AuthorizationError

# The scopes of each role, by its name.
Roles = Mapping[str, Collection[str]]


def allowed_scopes(roles: Roles, role: str, grants: Iterable[str]) -> frozenset[str]:
    """Return the scopes of a role, and those granted beyond it. A role that the table does not name has none."""
    return frozenset(roles.get(role, ())).union(grants)


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated caller, as far as their credentials tell: no query has been made for it.

    Attributes:
        user_id: The user.
        scopes: The scopes that the credentials allow.
        session_id: The session of an access token; None for an API key.
    """

    user_id: UUID
    scopes: frozenset[str]
    session_id: UUID | None = None

    def require(self, *scopes: str) -> None:
        """Raise AuthorizationError unless all of these scopes are there."""
        if missing := sorted(set(scopes) - self.scopes):
            raise AuthorizationError(f"This needs the scope {' '.join(missing)}.")
