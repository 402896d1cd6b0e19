"""Authentication and authorisation: mechanisms that know neither settings nor HTTP nor tables."""

from app.core.security.passwords import PasswordHasher
from app.core.security.rate_limits import Rate, RateLimits, caller_address, with_mapped_forms
from app.core.security.revocation import RevokedSessions
from app.core.security.tokens import (
    AccessTokens,
    Link,
    Principal,
    Roles,
    SignedTokens,
    allowed_scopes,
    fingerprint,
    new_credential,
)
