"""Who is calling, and what they may do: mechanisms that know neither settings nor HTTP nor tables."""

from app.core.security.addresses import caller_address, with_mapped_forms
from app.core.security.credentials import NewCredential, fingerprint, new_credential
from app.core.security.devices import DeviceTokens
from app.core.security.passwords import PasswordHasher
from app.core.security.principal import Principal, Roles, allowed_scopes
from app.core.security.rate_limits import MemoryRateLimits, Rate, RateLimits
from app.core.security.revocation import RevokedSessions
from app.core.security.tokens import AccessTokens

__all__ = [
    "AccessTokens",
    "DeviceTokens",
    "MemoryRateLimits",
    "NewCredential",
    "PasswordHasher",
    "Principal",
    "Rate",
    "RateLimits",
    "RevokedSessions",
    "Roles",
    "allowed_scopes",
    "caller_address",
    "fingerprint",
    "new_credential",
    "with_mapped_forms",
]
