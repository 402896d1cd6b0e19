"""Access tokens: signed statements of the caller, good for minutes and checked without a query.

JSON Web Tokens in the profile of RFC 9068, signed with HMAC-SHA-256. This service reads only its own, so it accepts
nothing else: the header must be the one header it writes, to the letter, which leaves no algorithm to choose, no key to
name and no extension.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from typing import Final
from uuid import UUID, uuid4

from app.core.exceptions import AuthenticationError, ConfigurationError
from app.core.security.principal import Principal

_ALGORITHM: Final = "HS256"
# RFC 9068, 2.1.
_TYPE: Final = "at+jwt"
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt"}').decode()
# Our header, a payload (ours have some 300 characters) and a signature. Decoders skip other characters than these, so
# that one signature would have any number of spellings.
_SHAPE: Final = re.compile(re.escape(_HEADER) + r"\.[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]{43}")
_CLAIMS: Final = ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "scope")
# RFC 7518, 3.2: the key is at least as long as the hash.
_MIN_KEY_BYTES: Final = 32
# Some 10 MB. Only tokens with a right signature are remembered, so that no stranger can fill it.
_MAX_REMEMBERED: Final = 10_000
# Purpose of the derived key, so that the same secret signs nothing else.
_PURPOSE: Final = b"access-token"


class AccessTokens:
    """Issues and reads access tokens.

    Args:
        secret: The text from which the signing key is derived; at least 32 bytes.
        issuer: The issuer and audience: other services' tokens are refused even under the same secret.
        lifetime_seconds: The time for which a token is good.
        leeway_seconds: The difference allowed between the clocks of the machines that share the secret.

    Raises:
        ConfigurationError: The secret is too short.
    """

    def __init__(self, *, secret: str, issuer: str, lifetime_seconds: int, leeway_seconds: int) -> None:
        if len(secret.encode()) < _MIN_KEY_BYTES:
            raise ConfigurationError(
                f"The secret for access tokens has less than {_MIN_KEY_BYTES} bytes.",
                next_step="Set SECRET_KEY to the output of `openssl rand -base64 48`.",
            )
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        self._issuer = issuer
        self.lifetime_seconds = lifetime_seconds
        self._leeway_seconds = leeway_seconds
        self._good: dict[str, tuple[Principal, float]] = {}

    def issue(self, *, user_id: UUID, session_id: UUID, scopes: Iterable[str]) -> str:
        """Return a token for a user's session that is good from now on."""
        import jwt  # noqa: PLC0415 — see `_read`

        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + self.lifetime_seconds,
            "scope": " ".join(sorted(scopes)),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"typ": _TYPE})

    def read(self, token: str) -> Principal:
        """Return the caller of a token.

        A token that was found good is remembered, since every request of a session brings the same one; its end is
        looked at each time.

        Raises:
            AuthenticationError: It is malformed, not ours, tampered with, or not good now. The message does not say
                which: that would help only an attacker.
        """
        known = self._good.get(token)
        try:
            if known is None:
                known = self._read(token)
                if len(self._good) >= _MAX_REMEMBERED:
                    self._good.clear()
                self._good[token] = known
            principal, good_until = known
            if time.time() >= good_until:
                del self._good[token]
                raise ValueError("expired")  # noqa: TRY301 — refused like any other
        except ValueError as error:
            raise AuthenticationError("The access token is invalid or has expired.") from error
        return principal

    def _read(self, token: str) -> tuple[Principal, float]:
        # PyJWT brings `cryptography` along, which takes a tenth of the whole application's start; the first request
        # with a token is soon enough.
        import jwt  # noqa: PLC0415

        if _SHAPE.fullmatch(token) is None:
            raise ValueError("not a token of this service")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=self._issuer,
                issuer=self._issuer,
                leeway=self._leeway_seconds,
                options={"require": list(_CLAIMS)},
            )
        except jwt.PyJWTError as error:
            raise ValueError("refused by PyJWT") from error
        if claims["exp"] - claims["iat"] > self.lifetime_seconds:
            # Its session may be revoked and forgotten again before it expires.
            raise ValueError("good for longer than tokens of this service are")
        principal = Principal(
            user_id=UUID(claims["sub"]), session_id=UUID(claims["sid"]), scopes=frozenset(claims["scope"].split())
        )
        return principal, claims["exp"] + self._leeway_seconds
