"""Re-encrypting what is stored with the ring's first key, while everything goes on.

Each batch is a transaction of its own that locks its rows: a concurrent `set` waits for it or is waited for, and is
never overwritten with an older value. Killed at any moment, every secret is in an envelope that the ring opens; started
again, the rest is done. Any number of rotations may run at once.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.core.database import WriteSession
from app.core.secrets import store
from app.core.secrets.paths import SecretPath, SecretsError
from app.core.uow import atomic

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing

OpenSession = Callable[[], AbstractAsyncContextManager[WriteSession]]

# Rows that others hold are passed over; they are looked for again this often, this many seconds apart.
_PASSES: Final = 5
_PAUSE_SECONDS: Final = 0.2


@dataclass
class Rotation:
    """The result of a rotation.

    Attributes:
        done: The number of secrets it has re-encrypted.
        failures: The errors of those that cannot be decrypted, by path.
        remaining: The number of secrets under other keys beside those: held by others all the time, or stored
            meanwhile by processes that still encrypt with another key.
    """

    done: int = 0
    failures: dict[SecretPath, SecretsError] = field(default_factory=dict)
    remaining: int = 0


async def rotate(*, open_session: OpenSession, keyring: "KeyRing", batch_size: int = 100) -> Rotation:
    """Re-encrypt all that is not under the ring's first key.

    Args:
        open_session: Gives a session for a batch.
        keyring: Opens the old envelopes and makes the new ones.
        batch_size: Secrets in a transaction.

    Raises:
        DatabaseException: The database failed; what is done is done.
    """
    rotation = Rotation()
    for attempt in range(_PASSES):
        if attempt:
            await asyncio.sleep(_PAUSE_SECONDS)
        rotation.failures.clear()
        after: str | None = ""
        while after is not None:
            after = await _rotate_batch(rotation, open_session, keyring, after=after, limit=batch_size)
        async with open_session() as session:
            counts = await store.count_by_key(session)
        others = sum(counts.values()) - counts.get(keyring.active_id, 0)
        rotation.remaining = max(0, others - len(rotation.failures))
        if not rotation.remaining:
            break
    return rotation


async def _rotate_batch(
    rotation: Rotation, open_session: OpenSession, keyring: "KeyRing", *, after: str, limit: int
) -> str | None:
    """Re-encrypt a batch in a transaction; return the path behind which the next one begins, or None at the end."""
    sealed: dict[SecretPath, bytes] = {}
    async with open_session() as session, atomic(session):
        rows = await store.lock_of_other_keys(session, keyring.active_id, after=after, limit=limit)
        for path, envelope in rows:
            try:
                sealed[path] = keyring.seal(keyring.open(envelope, path=path), path=path)
            except SecretsError as error:
                rotation.failures[path] = error
        if sealed:
            await store.replace_envelopes(session, sealed, key_id=keyring.active_id)
    rotation.done += len(sealed)
    return rows[-1][0] if len(rows) == limit else None
