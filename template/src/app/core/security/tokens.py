"""Credentials: access tokens and the caller that they name, random ones, and texts that are signed for one purpose.

Access tokens are JSON Web Tokens in the profile of RFC 9068, signed with HMAC-SHA-256. This service reads only its own,
so it accepts nothing else: the header must be the one header it writes, to the letter, which leaves no algorithm to
choose, no key to name and no extension.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Self
from uuid import UUID, uuid4

from app.core.exceptions import AuthenticationError, AuthorizationError

# The scopes of each role, by its name.
Roles = Mapping[str, Collection[str]]

# RFC 9068, 2.1.
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt"}').decode()
# Our header, a payload (some 300 characters) and a signature: decoders skip other characters, so that one signature
# would have any number of spellings.
_SHAPE: Final = re.compile(re.escape(_HEADER) + r"\.[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]{43}")
# Some 10 MB. Only tokens with a right signature are remembered, so that no stranger can fill it.
_MAX_REMEMBERED: Final = 10_000


def allowed_scopes(roles: Roles, role: str, grants: Iterable[str]) -> frozenset[str]:
    """Return the scopes of a role, and those granted beyond it. A role that the table does not name has none."""
    return frozenset(roles.get(role, ())).union(grants)


def new_credential(prefix: str) -> str:
    """Return a fresh random credential; the prefix tells people and secret scanners its kind, such as "rt" or "ak"."""
    # 256 bits, beyond guessing: a fast hash is enough to keep them from readers of the database.
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def fingerprint(text: str) -> bytes:
    """Return the hash by which a credential is stored and looked up: its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated caller, as far as their credentials tell, without a query; an API key has no session."""

    user_id: UUID
    scopes: frozenset[str]
    session_id: UUID | None = None

    def require(self, *scopes: str) -> None:
        """Raise AuthorizationError unless all of these scopes are there."""
        if missing := sorted(set(scopes) - self.scopes):
            raise AuthorizationError(f"This needs the scope {' '.join(missing)}.")


class AccessTokens:
    """Issues and reads access tokens: signed statements of the caller, good for minutes and checked without a query.

    Args:
        secret: The text from which the signing key is derived.
        issuer: The issuer and audience, so that other services' tokens under the same secret are refused.
        lifetime_seconds: The time for which a token is good.
        leeway_seconds: The difference allowed between clocks.
    """

    def __init__(self, *, secret: str, issuer: str, lifetime_seconds: int, leeway_seconds: int) -> None:
        self._key = _derive_key(secret, purpose=b"access-token")
        self._issuer = issuer
        self.lifetime_seconds = lifetime_seconds
        self._leeway_seconds = leeway_seconds
        # Every request of a session brings the same token. What raises is not remembered.
        self._remembered = lru_cache(_MAX_REMEMBERED)(self._read)

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
        return jwt.encode(claims, self._key, algorithm="HS256", headers={"typ": "at+jwt"})

    def read(self, token: str) -> Principal:
        """Return the caller of a token; AuthenticationError, in the same words for every reason, if it is not good."""
        try:
            principal, good_until = self._remembered(token)
            if time.time() >= good_until:
                raise ValueError("expired")  # noqa: TRY301 — refused like any other
        except ValueError as error:
            raise AuthenticationError("The access token is invalid or has expired.") from error
        return principal

    def _read(self, token: str) -> tuple[Principal, float]:
        # PyJWT brings `cryptography` along, which takes a tenth of the application's start.
        import jwt  # noqa: PLC0415

        if _SHAPE.fullmatch(token) is None:
            raise ValueError("not a token of this service")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=self._issuer,
                issuer=self._issuer,
                leeway=self._leeway_seconds,
                options={"require": ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "scope"]},
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


class SignedTokens:
    """Signs texts for one purpose, each bound to facts that are no part of the token: an account, a user's state.

    A token is void as soon as one of the facts is another, so that no table of tokens is needed.
    """

    def __init__(self, *, secret: str, purpose: bytes) -> None:
        self._key = _derive_key(secret, purpose=purpose)

    def sign(self, text: str, *facts: str) -> str:
        """Return the token of a text without dots: the text and its signature."""
        return f"{text}.{hmac.digest(self._key, json.dumps([text, *facts]).encode(), hashlib.sha256).hex()}"

    def is_good(self, token: str, *facts: str) -> bool:
        """Return True if this is a token of these facts, to the letter."""
        expected = self.sign(token.partition(".")[0], *facts)
        return hmac.compare_digest(fingerprint(token), fingerprint(expected))


class Link(NamedTuple):
    """The text of a link's token: its user, its end in seconds since 1970, and the address it is mailed to."""

    user_id: UUID
    good_until: int
    address: str

    def encode(self) -> str:
        """Return these as text, to be signed: digits and letters, all of which programs take for parts of a link."""
        return f"{self.user_id}:{self.good_until}:{self.address}".encode().hex()

    @classmethod
    def decode(cls, token: str) -> Self:
        """Return the values of a token, of which nothing is proven; ValueError where it has none."""
        user_id, good_until, address = bytes.fromhex(token.partition(".")[0]).decode().split(":", 2)
        return cls(UUID(user_id), int(good_until), address)


def _derive_key(secret: str, *, purpose: bytes) -> bytes:
    """Return a key that signs for one purpose, so that the same secret signs nothing else."""
    return hmac.digest(secret.encode(), purpose, hashlib.sha256)
