"""Who is calling, and what they may do: mechanisms that know neither settings nor HTTP nor tables."""

from app.core.security.credentials import NewCredential, fingerprint, new_credential
from app.core.security.passwords import PasswordHasher
from app.core.security.principal import Principal
from app.core.security.rate_limits import MemoryRateLimits, Rate, RateLimits
from app.core.security.revocation import RevokedSessions
from app.core.security.tokens import AccessTokens

__all__ = [
    "AccessTokens",
    "MemoryRateLimits",
    "NewCredential",
    "PasswordHasher",
    "Principal",
    "Rate",
    "RateLimits",
    "RevokedSessions",
    "fingerprint",
    "new_credential",
]
