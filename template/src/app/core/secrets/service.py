"""API keys of organisations and teams."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.database import ReadSession, WriteSession
from app.core.exceptions import ConfigurationError, ResourceNotFoundError, ValidationError
from app.core.process import get_object
from app.core.secrets import store
from app.core.secrets.paths import OwnerId, api_key_path, owner_prefix
from app.core.secrets.store import SecretInfo
from app.core.singletons import Singleton

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing

# The longest credentials in use are service accounts in JSON, of 2 to 3 KiB.
MAX_VALUE_BYTES: Final = 16_384

_RESOURCE: Final = "API key"


class SecretsService:
    """Stores, finds and lists API keys; the caller's unit of work commits.

    What an organisation owns is found under that organisation alone: the code that calls this has made sure that the
    user belongs to it.

    Args:
        keyring: Gives the ring of keys, or raises where there is none. Asked only when something is to be encrypted
            or decrypted.
        environment: This installation's own keys by provider, for organisations that have none.
    """

    def __init__(self, *, keyring: "Callable[[], KeyRing]", environment: Mapping[str, SecretStr]) -> None:
        self._keyring = keyring
        self._environment = environment

    async def find_api_key(
        self, session: ReadSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> SecretStr | None:
        """Return the team's key, else the organisation's, else this installation's, else None. One query.

        A key that is there and cannot be read is an error, never a reason to take the next one.

        Raises:
            ValidationError: An id or the provider's name breaks its rule.
            SecretsError: The key cannot be decrypted.
            ConfigurationError: A key is stored, and SECRETS_KEYS is not set.
        """
        owners = [None] if team_id is None else [team_id, None]
        paths = [api_key_path(org_id, provider, owner) for owner in owners]
        found = await store.find_envelopes(session, paths)
        for path in paths:
            if path in found:
                return self._keyring().open(found[path], path=path)
        return self._environment.get(provider)

    async def get_api_key(
        self, session: ReadSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> SecretStr:
        """Return the key that `find_api_key()` finds.

        Raises:
            ConfigurationError: There is none, which is no caller's fault. And see `find_api_key()`.
        """
        key = await self.find_api_key(session, org_id, provider, team_id)
        if key is None:
            raise ConfigurationError(
                f"There is no API key of {provider} for this organisation.",
                next_step=f"Store one with `app secrets set {provider}`, or set {provider.upper()}_API_KEY.",
            )
        return key

    async def set_api_key(
        self,
        session: WriteSession,
        org_id: OwnerId,
        provider: str,
        value: SecretStr,
        team_id: OwnerId | None = None,
    ) -> None:
        """Store a key, in place of the one that may be there.

        Args:
            session: Of a unit of work.
            org_id: The organisation.
            provider: Whose key it is.
            value: Not empty, at most 16 KiB of UTF-8.
            team_id: The team; None for the organisation's own.

        Raises:
            ValidationError: A part of the path, or the value, breaks its rule.
            ConfigurationError: SECRETS_KEYS is not set.
        """
        path = api_key_path(org_id, provider, team_id)
        if not _storable(value):
            raise ValidationError("value", f"An API key has 1 to {MAX_VALUE_BYTES} bytes of UTF-8 text.")
        keyring = self._keyring()
        await store.put_envelope(session, path, keyring.seal(value, path=path), key_id=keyring.active_id)

    async def delete_api_key(
        self, session: WriteSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> None:
        """Delete a key of exactly this place.

        Raises:
            ResourceNotFoundError: There is none.
            ValidationError: A part of the path breaks its rule.
        """
        if not await store.delete_envelope(session, api_key_path(org_id, provider, team_id)):
            raise ResourceNotFoundError(_RESOURCE, provider)

    async def list(
        self,
        session: ReadSession,
        org_id: OwnerId,
        team_id: OwnerId | None = None,
        *,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[SecretInfo]:
        """Return what is stored for an organisation and its teams, or for one of these, by path; never a value.

        Args:
            session: Reads.
            org_id: The organisation.
            team_id: Only this team's.
            after: The last path of the page before.
            limit: The most entries of a page.

        Raises:
            ValidationError: An id breaks its rule.
        """
        return await store.list_secrets(session, owner_prefix(org_id, team_id), after=after, limit=limit)


def make_keyring(settings: SecretsSettings) -> "KeyRing":
    """Return the ring of the settings' keys. Derives them, so that it is called once per process.

    Raises:
        ConfigurationError: None are set.
    """
    if settings.keys is None:
        raise ConfigurationError(
            "SECRETS_KEYS is not set, so that secrets can be neither stored nor read.",
            next_step="Make a key with `app secrets keygen`, and set SECRETS_KEYS to it.",
        )
    # Here and not above: a process that uses no secrets never loads `cryptography`.
    from app.core.secrets.keyring import KeyRing  # noqa: PLC0415

    return KeyRing(settings.key_materials)


def make_secrets_service(settings: SecretsSettings, integrations: IntegrationsSettings) -> SecretsService:
    """Return a service whose ring is made when it is first needed, once, whichever thread needs it first."""
    return SecretsService(keyring=Singleton(lambda: make_keyring(settings)), environment=integrations.api_keys)


def get_secrets_service() -> SecretsService:
    """Return the process's service; ConfigurationError where there is none."""
    return get_object(SecretsService)


def _storable(value: SecretStr) -> bool:
    try:
        return 1 <= len(value.get_secret_value().encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:
        return False
