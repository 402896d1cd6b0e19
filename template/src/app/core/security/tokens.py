"""Access tokens: signed statements of who is calling, good for minutes and checked without asking anybody.

JSON Web Tokens in the profile of RFC 9068, signed with HMAC-SHA-256. This service reads only what it wrote itself, so
it accepts nothing else: the header must be the one header it writes, to the letter, which leaves no algorithm to
choose, no key to name and no extension to smuggle in.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, StringConstraints

from app.core.exceptions import AuthenticationError, ConfigurationError
from app.core.security.principal import Principal

_ALGORITHM: Final = "HS256"
# RFC 9068, 2.1.
_TYPE: Final = "at+jwt"
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt"}').decode()
# RFC 7518, 3.2: the key is at least as long as the hash.
_MIN_KEY_BYTES: Final = 32
# Three parts in canonical base64url; decoders skip what is not in the alphabet.
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
# Ours are some 400 characters; whoever sends more wants to keep us busy.
_MAX_CHARACTERS: Final = 4096
# Some 10 MB. Only tokens with a right signature are remembered, so that nobody else can fill it.
_MAX_REMEMBERED: Final = 10_000
# What the key is for, so that the same secret signs nothing else by accident.
_PURPOSE: Final = b"access-token"


class _Claims(BaseModel):
    """What every token says, with exact types: a number in quotes is no number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    iss: str
    aud: str
    sub: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
    sid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
    jti: str
    iat: int
    exp: int
    scope: str


class AccessTokens:
    """Issues and reads access tokens.

    Args:
        secret: What the signing key is derived from; at least 32 bytes.
        issuer: Who issues, which is also for whom: other services' tokens are refused even under the same secret.
        lifetime_seconds: How long a token is good for.
        leeway_seconds: How far the clocks of the machines that share the secret may differ.

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
        """A token for a user's session that is good from now on."""
        now = int(time.time())
        claims = _Claims(
            iss=self._issuer,
            aud=self._issuer,
            sub=str(user_id),
            sid=str(session_id),
            jti=uuid4().hex,
            iat=now,
            exp=now + self.lifetime_seconds,
            scope=" ".join(sorted(scopes)),
        )
        import jwt  # noqa: PLC0415 — see `_decode`

        return jwt.encode(claims.model_dump(), self._key, algorithm=_ALGORITHM, headers={"typ": _TYPE})

    def read(self, token: str) -> Principal:
        """Who a token speaks for.

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
        shape = _SHAPE.fullmatch(token) if len(token) <= _MAX_CHARACTERS else None
        if shape is None or shape[1] != _HEADER:
            raise ValueError("not a token of this service")
        claims = _Claims.model_validate(self._decode(token))
        if claims.exp - claims.iat > self.lifetime_seconds:
            raise ValueError("good for longer than tokens of this service are")
        principal = Principal(
            user_id=UUID(claims.sub), session_id=UUID(claims.sid), scopes=frozenset(claims.scope.split())
        )
        return principal, claims.exp + self._leeway_seconds

    def _decode(self, token: str) -> object:
        # PyJWT brings `cryptography` along, which takes a tenth of the whole application's start; the first request
        # with a token is soon enough.
        import jwt  # noqa: PLC0415

        try:
            return jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=self._issuer,
                issuer=self._issuer,
                leeway=self._leeway_seconds,
                options={"require": list(_Claims.model_fields)},
            )
        except jwt.PyJWTError as error:
            raise ValueError("refused by PyJWT") from error
