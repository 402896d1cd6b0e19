"""Credentials beside access tokens: random ones, stored as hashes, and signed ones, stored nowhere."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Final, NamedTuple
from uuid import UUID

# 256 bits, beyond guessing: a fast hash is enough to keep them from readers of the database.
_OPAQUE_BYTES: Final = 32
_DEVICE_PREFIX: Final = "dt_"
# 128 bits: no two devices share one.
_DEVICE_BYTES: Final = 16


def new_credential(prefix: str) -> str:
    """Return a fresh random credential; the prefix tells people and secret scanners its kind, such as "rt" or "ak"."""
    return f"{prefix}_{secrets.token_urlsafe(_OPAQUE_BYTES)}"


def fingerprint(text: str) -> bytes:
    """Return the hash by which a credential is stored and looked up: its SHA-256."""
    return hashlib.sha256(_encode(text)).digest()


def derive_key(secret: str, *, purpose: bytes) -> bytes:
    """Return a key that signs for one purpose, so that the same secret signs nothing else."""
    return hmac.digest(secret.encode(), purpose, hashlib.sha256)


class DeviceTokens:
    """Tokens of devices that have logged in, so that others' guesses do not lock them out.

    OWASP's "Slow Down Online Guessing Attacks with Device Cookies", with a token in the body in place of a cookie. A
    token is good for one account until the secret changes, and opens nothing.
    """

    def __init__(self, *, secret: str) -> None:
        self._key = derive_key(secret, purpose=b"device-token")

    def issue(self, account: str) -> str:
        """Return a token for a device that has just logged in to the account."""
        return self._token(secrets.token_urlsafe(_DEVICE_BYTES), account)

    def recognise(self, token: str, account: str) -> str | None:
        """Return the device's name if it was issued this token for this account, else None."""
        name = token.removeprefix(_DEVICE_PREFIX).partition(".")[0]
        return name if _same(token, self._token(name, account)) else None

    def _token(self, name: str, account: str) -> str:
        return f"{_DEVICE_PREFIX}{name}.{_sign(self._key, f'{name}.{account}')}"


class Link(NamedTuple):
    """The claims of a link's token: its user, its end in seconds since 1970, and the new address, if it is of one."""

    user_id: UUID
    good_until: int
    address: str


class LinkTokens:
    """Tokens of links in mail, which are signed together with a state of their user.

    The state is no part of the token. A use changes it, and with it every token that was made of it is void: so each
    works once, without a table of tokens, and a new password ends those that the old one has made possible.
    """

    def __init__(self, *, secret: str) -> None:
        self._key = derive_key(secret, purpose=b"link-token")

    def issue(self, purpose: str, user_id: UUID, *, state: str, lifetime_seconds: int, address: str = "") -> str:
        """Return a token that is good from now on, for one purpose and as long as the state lasts."""
        return self._token(Link(user_id, int(time.time()) + lifetime_seconds, address), purpose, state)

    def read(self, token: str) -> Link:
        """Return the claims of a token, of which nothing is proven; ValueError where it has none."""
        claims = token.partition(".")[0]
        padded = claims + "=" * (-len(claims) % 4)
        user_id, good_until, address = base64.urlsafe_b64decode(padded).decode().split(":", 2)
        return Link(UUID(user_id), int(good_until), address)

    def is_good(self, token: str, purpose: str, *, state: str) -> bool:
        """Return True if this is a token of these, to the letter, and has not expired."""
        link = self.read(token)
        return _same(token, self._token(link, purpose, state)) and time.time() < link.good_until

    def _token(self, link: Link, purpose: str, state: str) -> str:
        claims = f"{link.user_id}:{link.good_until}:{link.address}"
        return f"{_base64(claims.encode())}.{_sign(self._key, json.dumps([purpose, state, claims]))}"


def _sign(key: bytes, text: str) -> str:
    return _base64(hmac.digest(key, _encode(text), hashlib.sha256))


def _base64(data: bytes) -> str:
    # Without the padding, which programs that find links in texts may cut off.
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _same(one: str, other: str) -> bool:
    # As bytes, since text with other than ASCII cannot be compared in constant time.
    return hmac.compare_digest(_encode(one), _encode(other))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
