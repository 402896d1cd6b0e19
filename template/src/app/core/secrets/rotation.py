"""Re-encrypting what is stored with the ring's first key, while everything goes on.

Each batch is a transaction of its own that locks its rows: a concurrent `set` waits for it and is never overwritten
with an older value; rows that others hold are passed over and counted. Killed at any moment, every secret is in an
envelope that the ring opens; started again, the rest is done. Any number of rotations may run at once.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.core.database import get_database
from app.core.secrets.store import Secret, SecretsError, count_by_key
from app.core.uow import unit_of_work

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing


@dataclass
class Rotation:
    """The result of a rotation.

    Attributes:
        done: The number of secrets it has re-encrypted.
        failures: The errors of those that cannot be decrypted, by path.
        remaining: The number of secrets under other keys beside those: held by others, or stored meanwhile by
            processes that still encrypt with another key.
    """

    done: int = 0
    failures: dict[str, SecretsError] = field(default_factory=dict)
    remaining: int = 0


async def rotate(keyring: "KeyRing", *, batch_size: int = 100) -> Rotation:
    """Re-encrypt all that is not under the ring's first key, so many secrets in a transaction."""
    rotation = Rotation()
    after: str | None = ""
    while after is not None:
        after = await _rotate_batch(rotation, keyring, after=after, limit=batch_size)
    async with get_database().read_session() as session:
        counts = await count_by_key(session)
    others = sum(counts.values()) - counts.get(keyring.active_id, 0)
    rotation.remaining = max(0, others - len(rotation.failures))
    return rotation


async def _rotate_batch(rotation: Rotation, keyring: "KeyRing", *, after: str, limit: int) -> str | None:
    """Re-encrypt a batch in a transaction; return the path behind which the next one begins, or None at the end."""
    statement = (
        select(Secret.path, Secret.envelope)
        .where(Secret.key_id != keyring.active_id, Secret.path > after)
        .order_by(Secret.path)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    async with unit_of_work() as uow:
        rows = (await uow.session.execute(statement)).all()
        for path, envelope in rows:
            try:
                sealed = keyring.seal(keyring.open(envelope, path=path), path=path)
            except SecretsError as error:
                rotation.failures[path] = error
                continue
            # The value stays as it is, and so does the time at which it was set.
            changed = {"envelope": sealed, "key_id": keyring.active_id, "updated_at": Secret.updated_at}
            await uow.session.execute(update(Secret).where(Secret.path == path).values(changed))
            rotation.done += 1
    return rows[-1].path if len(rows) == limit else None
