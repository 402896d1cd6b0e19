"""API keys of organisations and teams, encrypted in PostgreSQL and bound to their paths.

    key = await get_secrets_service().get_api_key(session, org_id, "openai", team_id)

Paths are `/organizations/{org}/{provider}_api_key` and `/organizations/{org}/teams/{team}/{provider}_api_key`.
The cipher is AES-256-GCM with a random nonce of 96 bits for each encryption. NIST SP 800-38D, 8.3, bounds those at 2^32
for a key: eight years at a thousand a minute. The envelope:

    offset  bytes  content
    0       1      version of this format, 1
    1       1      length n of the key id
    2       n      key id, ASCII
    2 + n   12     nonce
    14 + n  m      ciphertext, as long as the value
    …       16     its tag

The header (the first three lines; a constraint of the table reads the key id there) and the path are authenticated
beside the ciphertext: one that is moved to another row, or under another key id, is refused. An older envelope put back
into its own row is not noticed. No plaintext and no key is held in a local variable, so that a traceback with local
variables shows none.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import ARRAY, CheckConstraint, LargeBinary, String, Text, any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from app.core.config.secrets import KEY_ID, KeyMaterial
from app.core.database import Base, ReadSession, Statement, Timestamps, WriteSession
from app.core.exceptions import ConfigurationError, InfrastructureException, ResourceNotFoundError, ValidationError
from app.core.process import Singleton, get_object
from app.core.uow import unit_of_work

# The id of an organisation or a team; a UUID counts in its usual spelling, as `str()` gives it.
OwnerId = UUID | str

_VERSION: Final = b"\x01"
# NIST SP 800-38D, 8.2: 96 bits is the length that GCM takes as it is.
_NONCE_BYTES: Final = 12
# Binds derived keys to this purpose (RFC 5869, 3.2). Changing it makes every stored secret unreadable.
_PURPOSE: Final = b"app.core.secrets/1/aes-256-gcm/"
# Service accounts in JSON, the longest in use, have 2 to 3 KiB; halves of characters, which UTF-8 does not have, none.
_VALUE: Final = re.compile(r"[^\ud800-\udfff]{1,16384}")
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class SecretsError(InfrastructureException):
    """Raised when a stored secret cannot be read: its key is not in the ring, or its envelope was altered or moved."""

    code = "SECRET_UNREADABLE"


class KeyRing:
    """One key or several, in order: the first encrypts, all decrypt. The ciphers' keys are derived here, once."""

    def __init__(self, keys: Sequence[KeyMaterial]) -> None:
        if not keys:
            raise ConfigurationError(
                "SECRETS_KEYS is not set, so that secrets can be neither stored nor read.",
                next_step="Make a key with `app secrets keygen`, and set SECRETS_KEYS to it.",
            )
        # Takes some 30 ms to import, which those pay who have a secret.
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
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 — as above

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
            changed = "A stored secret was altered, moved, or encrypted with another key of the same id."
            raise SecretsError(changed, details=where) from None


class Secret(Timestamps, Base):
    """An encrypted value; `updated_at` is the time at which it was last set, which a rotation leaves alone."""

    __tablename__ = "secrets"

    # Sorted by bytes, so that prefixes are the same on every server. The longest, of parts of 64, has 225.
    path: Mapped[str] = mapped_column(String(255, collation="C"), primary_key=True)
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
_KEY_IDS: Final = Statement(select(Secret.key_id), str)
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
    breaks its rule is a `ValidationError` of every method. `environment` has this installation's own keys by provider.
    """

    def __init__(self, *, keys: Sequence[KeyMaterial], environment: Mapping[str, SecretStr]) -> None:
        # Made when it is first needed, once, whichever thread needs it first.
        self.keyring = Singleton(lambda: KeyRing(keys))
        self._environment = environment

    async def find_api_key(
        self, session: ReadSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> SecretStr | None:
        """Return the team's key, else the organisation's, else this installation's, else None. One query.

        One that cannot be read is a SecretsError (ConfigurationError without SECRETS_KEYS), and not the next one.
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
        if key := await self.find_api_key(session, org_id, provider, team_id):
            return key
        raise ConfigurationError(
            f"There is no API key of {provider} for this organisation.",
            next_step=f"Store one with `app secrets set {provider}`, or declare one in IntegrationsSettings.",
        )

    async def set_api_key(
        self, session: WriteSession, org_id: OwnerId, provider: str, value: SecretStr, team_id: OwnerId | None = None
    ) -> None:
        """Store a key in place of the one that may be there; ConfigurationError without SECRETS_KEYS."""
        path = api_key_path(org_id, provider, team_id)
        if not _VALUE.fullmatch(value.get_secret_value()):
            raise ValidationError("value", "An API key has 1 to 16384 characters.")
        keyring = self.keyring()
        await session.execute(_SET, path=path, envelope=keyring.seal(value, path=path), key_id=keyring.active_id)

    async def delete_api_key(
        self, session: WriteSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> None:
        """Delete a key of exactly this place; ResourceNotFoundError where there is none."""
        if not await session.execute(_DELETE, path=api_key_path(org_id, provider, team_id)):
            raise ResourceNotFoundError("API key", provider)

    async def list(
        self, session: ReadSession, org_id: OwnerId | None = None, team_id: OwnerId | None = None
    ) -> Sequence[SecretInfo]:
        """Return what is stored, by path, never a value: all, or an organisation's with its teams', or a team's."""
        return await session.all(_LIST, prefix="/" if org_id is None else _owner_prefix(org_id, team_id))


def get_secrets_service() -> SecretsService:
    """Return the process's service; ConfigurationError where there is none."""
    return get_object(SecretsService)


async def rotate(keyring: KeyRing, *, batch_size: int = 100) -> tuple[int, Mapping[str, SecretsError]]:
    """Re-encrypt all that is not under the ring's first key; return the number, and what cannot be read, by path.

    Each batch is a transaction that locks its rows: a concurrent `set` waits for it and is never overwritten with an
    older value; rows that others hold are passed over. It may be killed and repeated, and run several times at once.
    """
    done, failures, after = 0, dict[str, SecretsError](), ""
    while True:
        async with unit_of_work() as uow:
            rows = await uow.session.all(_LOCK, key_id=keyring.active_id, after=after, limit=batch_size)
            for row in rows:
                try:
                    sealed = keyring.seal(keyring.open(row.envelope, path=row.path), path=row.path)
                except SecretsError as error:
                    failures[row.path] = error
                    continue
                await uow.session.execute(_REPLACE, path=row.path, envelope=sealed, key_id=keyring.active_id)
                done += 1
        if len(rows) < batch_size:
            return done, failures
        after = rows[-1].path


async def count_by_key(session: ReadSession) -> Mapping[str, int]:
    """Return the number of secrets that each key id has encrypted."""
    return Counter(await session.all(_KEY_IDS))


def api_key_path(org_id: OwnerId, provider: str, team_id: OwnerId | None = None) -> str:
    """Return the path of an organisation's API key, or of a team's in it; ValidationError for a malformed part."""
    return f"{_owner_prefix(org_id, team_id)}{_part('provider', provider, _PROVIDER)}_api_key"


def _owner_prefix(org_id: OwnerId, team_id: OwnerId | None) -> str:
    """Return the beginning of all paths of an organisation, or of a team in it; it ends in a slash."""
    team = "" if team_id is None else f"teams/{_part('team_id', team_id)}/"
    return f"/organizations/{_part('org_id', org_id)}/{team}"


def _part(name: str, part: OwnerId, rule: re.Pattern[str] = _OWNER) -> str:
    if not rule.fullmatch(str(part)):
        raise ValidationError(name, f"It has to match {rule.pattern}.")
    return str(part)
