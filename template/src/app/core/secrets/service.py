"""API keys of organisations and teams: where they are kept, found and re-encrypted.

    /organizations/{org}/{provider}_api_key
    /organizations/{org}/teams/{team}/{provider}_api_key

Each envelope is bound to its path, so that a place has one spelling and a spelling one place.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import ARRAY, CheckConstraint, LargeBinary, String, Text, any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.core.config.secrets import KeyMaterial
from app.core.database import Base, ReadSession, Statement, Timestamps, WriteSession, get_database
from app.core.exceptions import ConfigurationError, ResourceNotFoundError, ValidationError
from app.core.process import Singleton, get_object
from app.core.secrets.keyring import KeyRing, SecretsError
from app.core.uow import unit_of_work

# The id of an organisation or a team; a UUID counts in its usual spelling, as `str()` gives it.
OwnerId = UUID | str

# Service accounts in JSON, the longest in use, have 2 to 3 KiB.
MAX_VALUE_BYTES: Final = 16_384
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OWNER_RULE: Final = "up to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PROVIDER_RULE: Final = "up to 64 of a-z 0-9 . _ -, beginning with a letter or a digit"
# The longest path, with parts of 64 characters each, has 225.
_MAX_PATH_LENGTH: Final = 255


class Secret(Timestamps, Base):
    """An encrypted value; `updated_at` is the time at which it was last set, which a rotation leaves alone."""

    __tablename__ = "secrets"

    # Sorted by bytes, so that prefixes are the same on every server.
    path: Mapped[str] = mapped_column(String(_MAX_PATH_LENGTH, collation="C"), primary_key=True)
    # See `keyring.py`.
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    # The one in the envelope, to be searched and counted.
    key_id: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("key_id = encode(substr(envelope, 3, get_byte(envelope, 1)), 'escape')", name="key_id"),
    )


@dataclass(slots=True)
class _Stored:
    path: str
    envelope: bytes


@dataclass(slots=True)
class SecretInfo:
    """All that is shown of a secret; `updated_at` is the time at which its value was last set, in UTC."""

    path: str
    key_id: str
    updated_at: datetime


@dataclass(slots=True)
class _Count:
    key_id: str
    secrets: int


_FIND: Final = Statement(select(Secret).where(Secret.path == any_(bindparam("paths", type_=ARRAY(Text)))), _Stored)
_NEW = insert(Secret).values({name: bindparam(name) for name in ("path", "envelope", "key_id")})
_SET: Final = Statement(
    _NEW.on_conflict_do_update(
        index_elements=[Secret.path],
        set_={"envelope": _NEW.excluded.envelope, "key_id": _NEW.excluded.key_id, "updated_at": func.now()},
    )
)
_DELETE: Final = Statement(delete(Secret).where(Secret.path == bindparam("path")))
_LIST: Final = Statement(
    select(Secret).where(func.starts_with(Secret.path, bindparam("prefix", type_=Text))).order_by(Secret.path),
    SecretInfo,
)
_COUNT_BY_KEY: Final = Statement(
    select(Secret.key_id, func.count().label("secrets")).group_by(Secret.key_id).order_by(Secret.key_id), _Count
)
_LOCK: Final = Statement(
    select(Secret)
    .where(Secret.key_id != bindparam("key_id"), Secret.path > bindparam("after"))
    .order_by(Secret.path)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True),
    _Stored,
)
_REPLACE: Final = Statement(
    update(Secret)
    .where(Secret.path == bindparam("path"))
    # The value stays as it is, and so does the time at which it was set.
    .values(envelope=bindparam("envelope"), key_id=bindparam("key_id"), updated_at=Secret.updated_at)
)


class SecretsService:
    """Stores, finds and lists API keys; the caller's unit of work commits.

    The code that calls this has made sure that the user belongs to the organisation. An id or a provider's name that
    breaks its rule is a `ValidationError` of every method.

    Args:
        keys: The ring of keys that encrypt, in order; none where nothing is stored.
        environment: This installation's own keys by provider, for organisations that have none.
    """

    def __init__(self, *, keys: Sequence[KeyMaterial], environment: Mapping[str, SecretStr]) -> None:
        # Made when it is first needed, once, whichever thread needs it first.
        self.keyring = Singleton(lambda: KeyRing(keys))
        self._environment = environment

    async def find_api_key(
        self, session: ReadSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> SecretStr | None:
        """Return the team's key, else the organisation's, else this installation's, else None. One query.

        A key that is there and cannot be read is an error, never a reason to take the next one: SecretsError, or
        ConfigurationError without SECRETS_KEYS.
        """
        owners = [None] if team_id is None else [team_id, None]
        paths = [api_key_path(org_id, provider, owner) for owner in owners]
        found = {each.path: each.envelope for each in await session.all(_FIND, paths=paths)}
        for path in paths:
            if path in found:
                return self.keyring().open(found[path], path=path)
        return self._environment.get(provider)

    async def get_api_key(
        self, session: ReadSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> SecretStr:
        """Return the key that `find_api_key()` finds; ConfigurationError of ours where there is none."""
        key = await self.find_api_key(session, org_id, provider, team_id)
        if key is None:
            raise ConfigurationError(
                f"There is no API key of {provider} for this organisation.",
                next_step=f"Store one with `app secrets set {provider}`, or declare one in IntegrationsSettings.",
            )
        return key

    async def set_api_key(
        self, session: WriteSession, org_id: OwnerId, provider: str, value: SecretStr, team_id: OwnerId | None = None
    ) -> None:
        """Store a key of an organisation, or of a team in it, in place of the one that may be there.

        ValidationError for a value that is empty, longer than 16 KiB or no UTF-8; ConfigurationError without
        SECRETS_KEYS.
        """
        path = api_key_path(org_id, provider, team_id)
        if not _storable(value):
            raise ValidationError("value", f"An API key has 1 to {MAX_VALUE_BYTES} bytes of UTF-8 text.")
        keyring = self.keyring()
        await session.execute(_SET, path=path, envelope=keyring.seal(value, path=path), key_id=keyring.active_id)

    async def delete_api_key(
        self, session: WriteSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> None:
        """Delete a key of exactly this place; ResourceNotFoundError where there is none."""
        path = api_key_path(org_id, provider, team_id)
        if not await session.execute(_DELETE, path=path):
            raise ResourceNotFoundError("API key", provider)

    async def list(
        self, session: ReadSession, org_id: OwnerId | None = None, team_id: OwnerId | None = None
    ) -> Sequence[SecretInfo]:
        """Return what is stored, by path, never a value: all, or an organisation's with its teams', or a team's."""
        return await session.all(_LIST, prefix="/" if org_id is None else _owner_prefix(org_id, team_id))


@dataclass
class Rotation:
    """The number of secrets re-encrypted, the errors of those that cannot be decrypted, by path, and those that remain.

    The latter are held by others, or were stored meanwhile by processes that still encrypt with another key.
    """

    done: int = 0
    failures: dict[str, SecretsError] = field(default_factory=dict)
    remaining: int = 0


async def rotate(keyring: KeyRing, *, batch_size: int = 100) -> Rotation:
    """Re-encrypt all that is not under the ring's first key, while everything goes on.

    Each batch is a transaction that locks its rows: a concurrent `set` waits for it and is never overwritten with an
    older value; rows that others hold are passed over and counted. It may be killed and repeated at any moment, and
    run several times at once.
    """
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
    rotation.remaining = max(0, sum(counts.values()) - counts.get(key_id, 0) - len(rotation.failures))
    return rotation


async def count_by_key(session: ReadSession) -> Mapping[str, int]:
    """Return the number of secrets that each key id has encrypted."""
    return {each.key_id: each.secrets for each in await session.all(_COUNT_BY_KEY)}


def get_secrets_service() -> SecretsService:
    """Return the process's service; ConfigurationError where there is none."""
    return get_object(SecretsService)


def api_key_path(org_id: OwnerId, provider: str, team_id: OwnerId | None = None) -> str:
    """Return the path of an organisation's API key, or of a team's in it; ValidationError for a malformed part."""
    if not _PROVIDER.fullmatch(provider):
        raise ValidationError("provider", f"A provider's name has {_PROVIDER_RULE}.")
    return f"{_owner_prefix(org_id, team_id)}{provider}_api_key"


def _owner_prefix(org_id: OwnerId, team_id: OwnerId | None = None) -> str:
    """Return the beginning of all paths of an organisation, or of a team in it; it ends in a slash."""
    for name, value in (("org_id", org_id), ("team_id", team_id)):
        if value is not None and not _OWNER.fullmatch(str(value)):
            raise ValidationError(name, f"An id has {_OWNER_RULE}.")
    return f"/organizations/{org_id}/" if team_id is None else f"/organizations/{org_id}/teams/{team_id}/"


def _storable(value: SecretStr) -> bool:
    try:
        return 1 <= len(value.get_secret_value().encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:
        return False
