"""Who a request speaks for."""

from dataclasses import dataclass
from uuid import UUID

from app.core.exceptions import AuthorizationError


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated caller, as far as their credentials tell: no query has been made for it.

    Attributes:
        user_id: The user.
        scopes: What the credentials allow.
        session_id: The session an access token belongs to; None for an API key.
    """

    user_id: UUID
    scopes: frozenset[str]
    session_id: UUID | None = None

    def require(self, *scopes: str) -> None:
        """Fail unless all of these scopes are there.

        Raises:
            AuthorizationError: One is missing.
        """
        missing = set(scopes) - self.scopes
        if missing:
            raise AuthorizationError(f"This needs the scope {' '.join(sorted(missing))}.")
