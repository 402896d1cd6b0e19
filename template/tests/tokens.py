"""Writing access tokens by hand: good ones, and ones that only somebody with the key could write."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import pytest

from app.core.exceptions import AuthenticationError
from app.core.security import AccessTokens

SECRET = "k3y-of-the-tests-7f1c9a20d4b86e35"
HEADER = {"alg": "HS256", "typ": "at+jwt"}
# What tokens are really signed with: derived from the secret, for this purpose only.
KEY = hmac.digest(SECRET.encode(), b"access-token", hashlib.sha256)


def tokens(**changes: Any) -> AccessTokens:
    return AccessTokens(
        **{"secret": SECRET, "issuer": "shop", "lifetime_seconds": 900, "leeway_seconds": 10, **changes}
    )


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": "shop",
        "aud": "shop",
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        "jti": uuid4().hex,
        "iat": now,
        "exp": now + 900,
        "scope": "items:read",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: object, *, header: object = HEADER, key: bytes = KEY, digest: str = "sha256") -> str:
    """A token with a right signature over whatever it says."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.digest(key, text.encode(), digest))}"


def refused(token: str, **changes: Any) -> str:
    with pytest.raises(AuthenticationError) as caught:
        tokens(**changes).read(token)
    return caught.value.message
