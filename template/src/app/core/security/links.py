"""Tokens of links in mail: stored nowhere, and good for one use."""

import base64
import hashlib
import hmac
import json
import time
from typing import NamedTuple
from uuid import UUID

from app.core.security.tokens import derive_key


class Link(NamedTuple):
    """The claims of a token.

    Attributes:
        user_id: The user it is about.
        good_until: The time of its end, in seconds since 1970.
        address: The new address, where it is about one.
    """

    user_id: UUID
    good_until: int
    address: str


class LinkTokens:
    """Issues and reads tokens that are signed together with a state of their user.

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
        good = hmac.compare_digest(token.encode(), self._token(link, purpose, state).encode())
        return good and time.time() < link.good_until

    def _token(self, link: Link, purpose: str, state: str) -> str:
        claims = f"{link.user_id}:{link.good_until}:{link.address}"
        signature = hmac.digest(self._key, json.dumps([purpose, state, claims]).encode(), hashlib.sha256)
        # Without the padding, which programs that find links in texts may cut off.
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (claims.encode(), signature))
