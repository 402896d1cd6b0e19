"""Encrypting and decrypting. The only module that imports `cryptography`: it costs some 30 ms, so it is imported late.

AES-256-GCM with a random nonce of 96 bits for each encryption. NIST SP 800-38D, 8.3, bounds those at 2^32 for a key,
where a nonce has repeated with a chance of 2^-32; an installation that sets a thousand secrets a minute would need
eight years, and one that rotates once a year stays far below.

The path and the envelope's header are authenticated beside the ciphertext: what is moved to another row, or under
another key id, is refused. What this cannot notice is an older envelope put back into its own row.

No plaintext and no key is held in a local variable of Python code: they pass from call to call, so that a traceback
with local variables shows none.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretBytes, SecretStr

from app.core.config.secrets import KeyMaterial, check_ring
from app.core.secrets.envelope import NONCE_BYTES, Envelope, header, pack, unpack
from app.core.secrets.errors import TamperedSecretError, UnknownKeyError
from app.core.secrets.paths import SecretPath

_KEY_BYTES: Final = 32
# Binds derived keys to this purpose (RFC 5869, 3.2). Changing it makes every stored secret unreadable.
_PURPOSE: Final = b"app.core.secrets/1/aes-256-gcm/"


class KeyRing:
    """Several keys at once: the first encrypts, all decrypt.

    Args:
        keys: In order. The key of the cipher is derived from each here, once.

    Raises:
        ValueError: There are none, or two are the same or have the same id.
    """

    __slots__ = ("_ciphers", "active_id")

    def __init__(self, keys: tuple[KeyMaterial, ...]) -> None:
        check_ring(keys)
        self.active_id: Final = keys[0].id
        self._ciphers: Final = {key.id: AESGCM(_derive(key)) for key in keys}

    def __repr__(self) -> str:
        return "KeyRing(…)"

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(self._ciphers)

    def seal(self, value: SecretStr, *, path: SecretPath) -> bytes:
        """An envelope for a value, to be stored under this path and no other."""
        return self._seal(SecretBytes(value.get_secret_value().encode()), path=path)

    def open(self, stored: bytes, *, path: SecretPath) -> SecretStr:
        """The value of an envelope found under this path.

        Raises:
            SecretsError: Its subclass says what is wrong.
        """
        return SecretStr(self._open(stored, path=path).get_secret_value().decode())

    def reseal(self, stored: bytes, *, path: SecretPath) -> bytes:
        """The same value in an envelope of the first key.

        Raises:
            SecretsError: The envelope cannot be opened.
        """
        return self._seal(self._open(stored, path=path), path=path)

    def _seal(self, value: SecretBytes, *, path: SecretPath) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = self._ciphers[self.active_id].encrypt(
            nonce, value.get_secret_value(), _authenticated(self.active_id, path)
        )
        return pack(Envelope(self.active_id, nonce, ciphertext))

    def _open(self, stored: bytes, *, path: SecretPath) -> SecretBytes:
        key_id, nonce, ciphertext = unpack(stored, path=path)
        where = {"path": path, "key_id": key_id}
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKeyError("A stored secret was encrypted with a key that SECRETS_KEYS lacks.", details=where)
        try:
            return SecretBytes(cipher.decrypt(nonce, ciphertext, _authenticated(key_id, path)))
        except InvalidTag:
            raise TamperedSecretError(
                "A stored secret was altered, moved, or encrypted with another key of the same id.", details=where
            ) from None


def _derive(key: KeyMaterial) -> bytes:
    # Without a salt, which RFC 5869, 3.3, allows for input that is uniformly random, as these keys are.
    kdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE + key.id.encode("ascii"))
    return kdf.derive(key.material.get_secret_value())


def _authenticated(key_id: str, path: SecretPath) -> bytes:
    # The header tells its own length, so that no two pairs of header and path run together.
    return header(key_id) + path.encode("ascii")
