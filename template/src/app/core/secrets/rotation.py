"""Re-encrypting what is stored with the ring's first key, while everything goes on.

Each batch is a transaction of its own that locks its rows: a concurrent `set` waits for it or is waited for, and is
never overwritten with an older value. Killed at any moment, every secret is in an envelope that the ring opens; started
again, the rest is done. Any number of rotations may run at once.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from app.core.database import WriteSession
from app.core.secrets import store
from app.core.secrets.errors import SecretsError
from app.core.secrets.paths import SecretPath
from app.core.uow import atomic

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing

OpenSession = Callable[[], AbstractAsyncContextManager[WriteSession]]

# Rows that others hold are passed over; they are looked for again this often, this many seconds apart.
_PASSES: Final = 5
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Rotation:
    """How far a rotation is.

    Attributes:
        total: Secrets that were under other keys when it began.
        done: Secrets it has re-encrypted.
        failures: Why those that cannot be decrypted cannot, by path.
        remaining: Secrets under other keys beside those: held by others all the time, or stored meanwhile by processes
            that still encrypt with another key.
    """

    total: int
    done: int = 0
    failures: dict[SecretPath, SecretsError] = field(default_factory=dict)
    remaining: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything is under the first key."""
        return not self.failures and not self.remaining


async def rotate(
    *,
    open_session: OpenSession,
    keyring: "KeyRing",
    batch_size: int = 100,
    report: Callable[[Rotation], None] = lambda _: None,
) -> Rotation:
    """Re-encrypt all that is not under the ring's first key.

    Args:
        open_session: Gives a session for a batch.
        keyring: Opens the old envelopes and makes the new ones.
        batch_size: Secrets in a transaction.
        report: Told after each batch how far it is.

    Raises:
        DatabaseException: The database failed; what is done is done.
    """
    rotation = Rotation(total=await _count_others(open_session, keyring))
    for attempt in range(_PASSES):
        if attempt:
            await asyncio.sleep(_PAUSE_SECONDS)
        rotation = replace(rotation, failures={})
        after: str | None = ""
        while after is not None:
            after, done, failures = await _rotate_batch(open_session, keyring, after=after, limit=batch_size)
            rotation = replace(rotation, done=rotation.done + done, failures=rotation.failures | failures)
            report(rotation)
        others = await _count_others(open_session, keyring)
        rotation = replace(rotation, remaining=max(0, others - len(rotation.failures)))
        if not rotation.remaining:
            break
    return rotation


async def _rotate_batch(
    open_session: OpenSession,
    keyring: "KeyRing",
    *,
    after: str,
    limit: int,
) -> tuple[str | None, int, dict[SecretPath, SecretsError]]:
    """One transaction.

    Returns:
        Behind which path the next one begins, or None; how many were re-encrypted; which could not be decrypted.
    """
    sealed: dict[SecretPath, bytes] = {}
    failures: dict[SecretPath, SecretsError] = {}
    async with open_session() as session, atomic(session):
        rows = await store.lock_of_other_keys(session, keyring.active_id, after=after, limit=limit)
        for path, envelope in rows:
            try:
                sealed[path] = keyring.reseal(envelope, path=path)
            except SecretsError as error:
                failures[path] = error
        if sealed:
            await store.replace_envelopes(session, sealed, key_id=keyring.active_id)
    return (rows[-1][0] if len(rows) == limit else None), len(sealed), failures


async def _count_others(open_session: OpenSession, keyring: "KeyRing") -> int:
    async with open_session() as session:
        counts = await store.count_by_key(session)
    return sum(count for key_id, count in counts.items() if key_id != keyring.active_id)
