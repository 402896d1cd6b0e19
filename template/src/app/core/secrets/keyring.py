"""Encrypting and decrypting. `cryptography`, which takes some 30 ms to import, is loaded with the first key ring.

AES-256-GCM with a random nonce of 96 bits for each encryption. NIST SP 800-38D, 8.3, bounds those at 2^32 for a key:
eight years at a thousand a minute. The envelope that is stored:

    offset  bytes  content
    0       1      version of this format, 1
    1       1      length n of the key id
    2       n      key id, ASCII
    2 + n   12     nonce
    14 + n  m      ciphertext, as long as the value
    …       16     its tag

The header (the first three lines; a constraint of the table reads the key id there) and the path are authenticated
beside the ciphertext: one that is moved to another row, or under another key id, is refused. An older envelope put back
into its own row is not noticed.

No plaintext and no key is held in a local variable, so that a traceback with local variables shows none.
"""

import os
from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from app.core.config.secrets import KEY_ID, KeyMaterial
from app.core.exceptions import ConfigurationError, InfrastructureException

_VERSION: Final = b"\x01"
# NIST SP 800-38D, 8.2: 96 bits is the length that GCM takes as it is.
_NONCE_BYTES: Final = 12
# Binds derived keys to this purpose (RFC 5869, 3.2). Changing it makes every stored secret unreadable.
_PURPOSE: Final = b"app.core.secrets/1/aes-256-gcm/"


class SecretsError(InfrastructureException):
    """Raised when a stored secret cannot be read: a 500 for callers. `details` has path and key id, for the log.

    Its key is not in the ring (taken out too early, or lost); or its envelope was altered, cut off, moved from another
    path or made by something else.
    """

    code = "SECRET_UNREADABLE"


class KeyRing:
    """One key or several, in order: the first encrypts, all decrypt. The ciphers' keys are derived here, once."""

    def __init__(self, keys: Sequence[KeyMaterial]) -> None:
        if not keys:
            raise ConfigurationError(
                "SECRETS_KEYS is not set, so that secrets can be neither stored nor read.",
                next_step="Make a key with `app secrets keygen`, and set SECRETS_KEYS to it.",
            )
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        self.active_id: Final = keys[0].id
        # Without a salt, which RFC 5869, 3.3, allows for input that is uniformly random, as these keys are.
        self._ciphers: Final = {
            key.id: AESGCM(
                HKDF(SHA256(), 32, None, _PURPOSE + key.id.encode("ascii")).derive(key.material.get_secret_value())
            )
            for key in keys
        }

    def seal(self, value: SecretStr, *, path: str) -> bytes:
        """Return an envelope for a value, to be stored under this path and no other."""
        header = _VERSION + bytes([len(self.active_id)]) + self.active_id.encode("ascii")
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self.active_id]
        return header + nonce + cipher.encrypt(nonce, value.get_secret_value().encode(), header + path.encode("ascii"))

    def open(self, stored: bytes, *, path: str) -> SecretStr:
        """Return the value of an envelope found under this path; SecretsError, whose message says what is wrong."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        header = stored[: 2 + int.from_bytes(stored[1:2])]
        nonce_end = len(header) + _NONCE_BYTES
        # Bytes beyond ASCII become characters that no key id has.
        key_id = header[2:].decode("latin-1")
        if header[:1] != _VERSION or not KEY_ID.fullmatch(key_id):
            raise SecretsError("A stored secret is in no format of this application.", details={"path": path})
        where = {"path": path, "key_id": key_id}
        if (cipher := self._ciphers.get(key_id)) is None:
            raise SecretsError("A stored secret was encrypted with a key that SECRETS_KEYS lacks.", details=where)
        try:
            # The header tells its own length, so that no two pairs of header and path run together.
            bound = header + path.encode("ascii")
            return SecretStr(cipher.decrypt(stored[len(header) : nonce_end], stored[nonce_end:], bound).decode())
        except (InvalidTag, ValueError):  # the latter where the nonce is cut off
            raise SecretsError(
                "A stored secret was altered, moved, or encrypted with another key of the same id.", details=where
            ) from None
