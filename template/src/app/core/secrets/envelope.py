"""What is stored for a secret: a ciphertext, and all that is needed to open it except the key.

    offset  bytes  content
    0       1      version of this format, 1
    1       1      length n of the key id
    2       n      key id, ASCII
    2 + n   12     nonce
    14 + n  m      ciphertext of AES-256-GCM, as long as the value
    …       16     its tag

The first two lines stay as they are in every later version: a constraint of the table reads the key id there.
"""

from typing import Final, NamedTuple

from app.core.config.secrets import KEY_ID
from app.core.secrets.errors import MalformedEnvelopeError

VERSION: Final = 1
# NIST SP 800-38D, 8.2: 96 bits is the length that GCM takes as it is; 5.2.1.2: the full tag is 128 bits.
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

_FIXED_BYTES: Final = 2


class Envelope(NamedTuple):
    """An envelope taken apart. Nothing in it is authenticated yet."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


def header(key_id: str) -> bytes:
    """What an envelope begins with. It is authenticated, too: version and key id cannot be exchanged."""
    return bytes((VERSION, len(key_id))) + key_id.encode("ascii")


def pack(envelope: Envelope) -> bytes:
    """The envelope as it is stored."""
    return header(envelope.key_id) + envelope.nonce + envelope.ciphertext


def unpack(stored: bytes, *, path: str) -> Envelope:
    """Take what is stored apart.

    Args:
        stored: The content of the table's column.
        path: Where it was found, for the error.

    Raises:
        MalformedEnvelopeError: It is cut off, of another version, or no envelope at all.
    """
    if stored[:1] != bytes((VERSION,)):
        raise MalformedEnvelopeError(
            "A stored secret is in a format that this version of the application does not know.", details={"path": path}
        )
    nonce_at = _FIXED_BYTES + (stored[1] if len(stored) > 1 else 0)
    if len(stored) < nonce_at + NONCE_BYTES + TAG_BYTES:
        raise MalformedEnvelopeError("A stored secret is cut off.", details={"path": path})
    # Bytes beyond ASCII become characters that no key id has.
    key_id = stored[_FIXED_BYTES:nonce_at].decode("latin-1")
    if not KEY_ID.fullmatch(key_id):
        raise MalformedEnvelopeError("A stored secret names no key.", details={"path": path})
    return Envelope(key_id, stored[nonce_at : nonce_at + NONCE_BYTES], stored[nonce_at + NONCE_BYTES :])
