"""Re-encrypting what is stored with the ring's first key, while everything goes on.

Each batch is a transaction that locks its rows: a concurrent `set` waits for it and is never overwritten with an older
value; rows that others hold are passed over and counted. It may be killed and repeated at any moment, and run
several times at once.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select, update

from app.core.database import Statement, get_database
from app.core.secrets.store import Secret, SecretsError, StoredSecret, count_by_key
from app.core.uow import unit_of_work

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing


_LOCK: Final = Statement(
    select(Secret)
    .where(Secret.key_id != bindparam("key_id"), Secret.path > bindparam("after"))
    .order_by(Secret.path)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True),
    StoredSecret,
)
_REPLACE: Final = Statement(
    update(Secret)
    .where(Secret.path == bindparam("path"))
    # The value stays as it is, and so does the time at which it was set.
    .values(envelope=bindparam("envelope"), key_id=bindparam("key_id"), updated_at=Secret.updated_at)
)


@dataclass
class Rotation:
    """The number of secrets re-encrypted, the errors of those that cannot be decrypted, by path, and those that remain.

    The latter are held by others, or were stored meanwhile by processes that still encrypt with another key.
    """

    done: int = 0
    failures: dict[str, SecretsError] = field(default_factory=dict)
    remaining: int = 0


async def rotate(keyring: "KeyRing", *, batch_size: int = 100) -> Rotation:
    """Re-encrypt all that is not under the ring's first key, so many secrets in a transaction."""
    rotation, key_id, after = Rotation(), keyring.active_id, ""
    while True:
        async with unit_of_work() as uow:
            rows = await uow.session.all(_LOCK, key_id=key_id, after=after, limit=batch_size)
            for row in rows:
                try:
                    sealed = keyring.seal(keyring.open(row.envelope, path=row.path), path=row.path)
                except SecretsError as error:
                    rotation.failures[row.path] = error
                    continue
                await uow.session.execute(_REPLACE, path=row.path, envelope=sealed, key_id=key_id)
                rotation.done += 1
        if len(rows) < batch_size:
            break
        after = rows[-1].path
    counts = await count_by_key(get_database().reader)
    others = sum(counts.values()) - counts.get(key_id, 0)
    rotation.remaining = max(0, others - len(rotation.failures))
    return rotation
