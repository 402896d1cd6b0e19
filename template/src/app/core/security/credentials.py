"""Credentials that are looked up rather than read: refresh tokens and API keys.

They are random, so that a fast hash is enough to keep them from whoever reads the database: there is nothing to guess.
"""

import hashlib
import secrets
from typing import Final, NamedTuple

# 256 bits: beyond guessing, whoever tries.
_RANDOM_BYTES: Final = 32


class NewCredential(NamedTuple):
    """A credential at the only moment its text is known.

    Attributes:
        text: For the caller, once.
        fingerprint: For the database.
    """

    text: str
    fingerprint: bytes


def new_credential(prefix: str) -> NewCredential:
    """A fresh random credential.

    Args:
        prefix: Tells people and secret scanners what it is, such as "rt" or "ak".
    """
    text = f"{prefix}_{secrets.token_urlsafe(_RANDOM_BYTES)}"
    return NewCredential(text, fingerprint(text))


def fingerprint(text: str) -> bytes:
    """What is stored of a credential and looked up by: its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
