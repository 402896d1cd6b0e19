"""The check that a webhook comes from Stripe, and is recent: HMAC-SHA-256 over its moment and its body.

Stripe documentation, "Verify webhook signatures manually". Written out because the library's own raises a TypeError
on a signature with a letter beyond ASCII, a UnicodeDecodeError on a body that is no UTF-8, and would have to be loaded
where payments are switched off. The tests compare the two.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from app.core.exceptions import SignatureError

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class WebhookSignatures:
    """Checks signatures against the secrets of this service's endpoints.

    Args:
        secrets: Of each endpoint, and while one is rolled both of its secrets; without any, no signature is right.
        tolerance_seconds: The distance between a signature's moment and now, so that a recorded webhook cannot be
            played back later. It holds in both directions: a moment that is yet to come would be fresh for long.
    """

    def __init__(self, secrets: Sequence[SecretStr], *, tolerance_seconds: int) -> None:
        self._secrets = secrets
        self._tolerance_seconds = tolerance_seconds

    def verify(self, body: bytes, signature: str | None) -> None:
        """Return if the signature is this body's.

        Args:
            body: As it arrived, to the byte.
            signature: The header `Stripe-Signature`: `t=<seconds>,v1=<hex>`, several v1 while secrets are exchanged.

        Raises:
            SignatureError: It is missing, malformed, another body's, or not recent.
        """
        if not self._secrets:
            raise SignatureError("Webhooks are not accepted here: STRIPE_WEBHOOK_SECRET is not set.")
        pairs = [part.partition("=")[::2] for part in (signature or "").split(",")]
        timestamps = [value for name, value in pairs if name.strip() == "t"]
        if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
            raise SignatureError("The webhook has no signature.")
        signed = timestamps[0].encode() + b"." + body
        # Bytes: comparing texts in constant time works for ASCII only.
        given = [value.strip().encode("utf-8", "replace") for name, value in pairs if name.strip() == "v1"]
        expected = [
            hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest().encode()
            for secret in self._secrets
        ]
        if not any(hmac.compare_digest(right, each) for right in expected for each in given):
            raise SignatureError("The webhook's signature is wrong: STRIPE_WEBHOOK_SECRET must be its endpoint's.")
        age = time.time() - int(timestamps[0])
        if age > self._tolerance_seconds:
            raise SignatureError("The webhook's signature is too old.")
        if -age > self._tolerance_seconds:
            raise SignatureError("The webhook's signature is from a time to come: one of the two clocks is wrong.")
