"""Credentials beside access tokens: random ones, stored as hashes, and signed ones, stored nowhere."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Final, NamedTuple, Self
from uuid import UUID

# 256 bits, beyond guessing: a fast hash is enough to keep them from readers of the database.
_OPAQUE_BYTES: Final = 32


def new_credential(prefix: str) -> str:
    """Return a fresh random credential; the prefix tells people and secret scanners its kind, such as "rt" or "ak"."""
    return f"{prefix}_{secrets.token_urlsafe(_OPAQUE_BYTES)}"


def fingerprint(text: str) -> bytes:
    """Return the hash by which a credential is stored and looked up: its SHA-256."""
    return hashlib.sha256(_encode(text)).digest()


def derive_key(secret: str, *, purpose: bytes) -> bytes:
    """Return a key that signs for one purpose, so that the same secret signs nothing else."""
    return hmac.digest(secret.encode(), purpose, hashlib.sha256)


class SignedTokens:
    """Signs texts for one purpose, each bound to facts that are no part of the token: an account, a user's state.

    A token is void as soon as one of the facts is another, so that no table of tokens is needed.
    """

    def __init__(self, *, secret: str, purpose: bytes) -> None:
        self._key = derive_key(secret, purpose=purpose)

    def sign(self, text: str, *facts: str) -> str:
        """Return the token of a text without dots: the text and its signature."""
        signed = json.dumps([text, *facts]).encode()
        return f"{text}.{_base64(hmac.digest(self._key, signed, hashlib.sha256))}"

    def is_good(self, token: str, *facts: str) -> bool:
        """Return True if this is a token of these facts, to the letter."""
        # As bytes, since text with other than ASCII cannot be compared in constant time.
        return hmac.compare_digest(_encode(token), _encode(self.sign(token.partition(".")[0], *facts)))


class Link(NamedTuple):
    """The text of a link's token: its user, its end in seconds since 1970, and the address it is mailed to."""

    user_id: UUID
    good_until: int
    address: str

    def encode(self) -> str:
        """Return these as text, to be signed."""
        return _base64(f"{self.user_id}:{self.good_until}:{self.address}".encode())

    @classmethod
    def decode(cls, token: str) -> Self:
        """Return the values of a token, of which nothing is proven; ValueError where it has none."""
        text = token.partition(".")[0]
        padded = text + "=" * (-len(text) % 4)
        user_id, good_until, address = base64.urlsafe_b64decode(padded).decode().split(":", 2)
        return cls(UUID(user_id), int(good_until), address)


def _base64(data: bytes) -> str:
    # Without the padding, which programs that find links in texts may cut off.
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
