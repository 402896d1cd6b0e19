"""Device tokens: what a client keeps of having logged in, so that strangers' guesses do not lock it out.

The protocol of OWASP's "Slow Down Online Guessing Attacks with Device Cookies", with a token in the body in place of a
cookie, which programs and pages of other origins can keep as well.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

_PREFIX: Final = "dt_"
# 128 bits: no two devices share one.
_NAME_BYTES: Final = 16
# The same secret signs nothing else by accident.
_PURPOSE: Final = b"device-token"


class DeviceTokens:
    """Issues device tokens and recognises them, without storing any.

    A token is good for one account and opens nothing: with it, wrong passwords are counted by device. It stays good
    until the secret changes.

    Args:
        secret: The text from which the signing key is derived.
    """

    def __init__(self, *, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)

    def issue(self, account: str) -> str:
        """Return a token for a device that has just logged in to the account."""
        return self._token(secrets.token_urlsafe(_NAME_BYTES), account)

    def recognise(self, token: str, account: str) -> str | None:
        """Return the device's name if it was issued this token for this account, else None."""
        name = token.removeprefix(_PREFIX).partition(".")[0]
        # As bytes, since text with other than ASCII cannot be compared in constant time.
        good = hmac.compare_digest(_encode(token), _encode(self._token(name, account)))
        return name if good else None

    def _token(self, name: str, account: str) -> str:
        signature = hmac.digest(self._key, _encode(f"{name}.{account}"), hashlib.sha256)
        return f"{_PREFIX}{name}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
