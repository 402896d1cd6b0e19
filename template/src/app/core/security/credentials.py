"""Credentials that are opaque to their holders: refresh tokens, API keys and device tokens."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

# 256 bits, beyond guessing: a fast hash is enough to keep them from readers of the database.
_RANDOM_BYTES: Final = 32
_DEVICE_PREFIX: Final = "dt_"
# 128 bits: no two devices share one.
_DEVICE_BYTES: Final = 16
# Purpose of the derived key, so that the same secret signs nothing else.
_DEVICE_PURPOSE: Final = b"device-token"


def new_credential(prefix: str) -> str:
    """Return a fresh random credential.

    Args:
        prefix: The kind, such as "rt" or "ak", for people and secret scanners.
    """
    return f"{prefix}_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def fingerprint(text: str) -> bytes:
    """Return the hash by which a credential is stored and looked up: its SHA-256."""
    return hashlib.sha256(_encode(text)).digest()


class DeviceTokens:
    """Tokens of devices that have logged in, so that others' guesses do not lock them out.

    The protocol of OWASP's "Slow Down Online Guessing Attacks with Device Cookies", with a token in the body in place
    of a cookie, which programs and pages of other origins can keep as well. None is stored. A token is good for one
    account until the secret changes, and opens nothing: with it, wrong passwords are counted by device.

    Args:
        secret: The text from which the signing key is derived.
    """

    def __init__(self, *, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _DEVICE_PURPOSE, hashlib.sha256)

    def issue(self, account: str) -> str:
        """Return a token for a device that has just logged in to the account."""
        return self._token(secrets.token_urlsafe(_DEVICE_BYTES), account)

    def recognise(self, token: str, account: str) -> str | None:
        """Return the device's name if it was issued this token for this account, else None."""
        name = token.removeprefix(_DEVICE_PREFIX).partition(".")[0]
        # As bytes, since text with other than ASCII cannot be compared in constant time.
        good = hmac.compare_digest(_encode(token), _encode(self._token(name, account)))
        return name if good else None

    def _token(self, name: str, account: str) -> str:
        signature = hmac.digest(self._key, _encode(f"{name}.{account}"), hashlib.sha256)
        return f"{_DEVICE_PREFIX}{name}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
