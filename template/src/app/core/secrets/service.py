"""API keys of organisations and teams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr
from sqlalchemy import ARRAY, Text, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.core.config.secrets import KeyMaterial
from app.core.database import ReadSession, Statement, WriteSession
from app.core.exceptions import ConfigurationError, ResourceNotFoundError, ValidationError
from app.core.process import Singleton, get_object
from app.core.secrets.store import OwnerId, Secret, StoredSecret, api_key_path, owner_prefix

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing

# Service accounts in JSON, the longest in use, have 2 to 3 KiB.
MAX_VALUE_BYTES: Final = 16_384


@dataclass(slots=True)
class SecretInfo:
    """All that is shown of a secret; `updated_at` is the time at which its value was last set, in UTC."""

    path: str
    key_id: str
    updated_at: datetime


_FIND: Final = Statement(select(Secret).where(Secret.path == any_(bindparam("paths", type_=ARRAY(Text)))), StoredSecret)
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
        self.keyring = Singleton(lambda: _make_keyring(keys))
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
        prefix = "/" if org_id is None else owner_prefix(org_id, team_id)
        return await session.all(_LIST, prefix=prefix)


def get_secrets_service() -> SecretsService:
    """Return the process's service; ConfigurationError where there is none."""
    return get_object(SecretsService)


def _make_keyring(keys: Sequence[KeyMaterial]) -> "KeyRing":
    if not keys:
        raise ConfigurationError(
            "SECRETS_KEYS is not set, so that secrets can be neither stored nor read.",
            next_step="Make a key with `app secrets keygen`, and set SECRETS_KEYS to it.",
        )
    # Here and not above: a process that uses no secrets never loads `cryptography`.
    from app.core.secrets.keyring import KeyRing  # noqa: PLC0415

    return KeyRing(keys)


def _storable(value: SecretStr) -> bool:
    try:
        return 1 <= len(value.get_secret_value().encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:
        return False
