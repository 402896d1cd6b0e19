"""The `secrets` table, which the core alone reads and writes, and its statements. None carries a value in the clear."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import CheckConstraint, LargeBinary, String, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, ReadSession, Timestamps, WriteSession
from app.core.secrets.paths import MAX_PATH_LENGTH, SecretPath


class Secret(Timestamps, Base):
    """An encrypted value.

    Attributes:
        path: The place it is bound to. Sorted by bytes, so that pages and prefixes are the same on every server.
        envelope: See `keyring.py`.
        key_id: A copy of the one in the envelope, to be searched and counted; a constraint keeps the two the same.
        updated_at: The time at which the value was last set; a rotation leaves it alone.
    """

    __tablename__ = "secrets"

    path: Mapped[str] = mapped_column(String(MAX_PATH_LENGTH, collation="C"), primary_key=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("key_id = encode(substr(envelope, 3, get_byte(envelope, 1)), 'escape')", name="key_id"),
    )


class SecretInfo(NamedTuple):
    """All that may be shown of a secret; times are UTC."""

    path: str
    key_id: str
    created_at: datetime
    updated_at: datetime


async def find_envelopes(session: ReadSession, paths: Sequence[SecretPath]) -> Mapping[SecretPath, bytes]:
    """Return the envelopes of those paths that hold one."""
    found = await session.execute(select(Secret.path, Secret.envelope).where(Secret.path.in_(paths)))
    return {SecretPath(path): envelope for path, envelope in found}


async def put_envelope(session: WriteSession, path: SecretPath, envelope: bytes, *, key_id: str) -> None:
    """Store an envelope, in place of the one that may be there."""
    statement = insert(Secret).values(path=path, envelope=envelope, key_id=key_id)
    replaced = {name: statement.excluded[name] for name in ("envelope", "key_id")}
    await session.execute(
        statement.on_conflict_do_update(index_elements=[Secret.path], set_={**replaced, "updated_at": func.now()})
    )


async def delete_envelope(session: WriteSession, path: SecretPath) -> bool:
    """Delete an envelope; return True if there was one."""
    statement = delete(Secret).where(Secret.path == path).returning(Secret.path)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def list_secrets(session: ReadSession, prefix: str, *, after: str, limit: int) -> Sequence[SecretInfo]:
    """Return at most so many secrets behind a path ("" for the first), by path.

    The prefix of their paths is that of `owner_prefix()`, or "/" for all of every organisation.
    """
    statement = (
        select(Secret.path, Secret.key_id, Secret.created_at, Secret.updated_at)
        .where(Secret.path.startswith(prefix, autoescape=True), Secret.path > after)
        .order_by(Secret.path)
        .limit(limit)
    )
    return [SecretInfo(*row) for row in await session.execute(statement)]


async def count_by_key(session: ReadSession) -> Mapping[str, int]:
    """Return the number of secrets that each key id has encrypted."""
    counted = await session.execute(select(Secret.key_id, func.count()).group_by(Secret.key_id).order_by(Secret.key_id))
    return dict(counted.all())


async def lock_of_other_keys(
    session: WriteSession, key_id: str, *, after: str, limit: int
) -> Sequence[tuple[SecretPath, bytes]]:
    """Lock and return secrets that another key than this one has encrypted, by path, save those already locked."""
    statement = (
        select(Secret.path, Secret.envelope)
        .where(Secret.key_id != key_id, Secret.path > after)
        .order_by(Secret.path)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [(SecretPath(path), envelope) for path, envelope in await session.execute(statement)]


async def replace_envelopes(session: WriteSession, envelopes: Mapping[SecretPath, bytes], *, key_id: str) -> None:
    """Give locked secrets other envelopes of the same values, so that `updated_at` stays."""
    statement = (
        update(Secret)
        .where(Secret.path == bindparam("at"))
        .values(envelope=bindparam("sealed"), key_id=key_id, updated_at=Secret.updated_at)
        .execution_options(synchronize_session=None)
    )
    connection = await session.connection()
    await connection.execute(statement, [{"at": path, "sealed": sealed} for path, sealed in envelopes.items()])
