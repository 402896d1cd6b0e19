"""API keys of organisations and teams."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from app.core.database import ReadSession, WriteSession
from app.core.exceptions import ResourceNotFoundError, ValidationError
from app.core.secrets import store
from app.core.secrets.paths import OwnerId, api_key_path, owner_prefix
from app.core.secrets.store import SecretInfo

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing

# The longest credentials in use are service accounts in JSON, of 2 to 3 KiB.
MAX_VALUE_BYTES: Final = 16_384
MAX_PAGE: Final = 1000

_RESOURCE: Final = "API key"


class SecretsService:
    """Stores, finds and lists API keys; the caller's unit of work commits.

    What belongs to an organisation is found under that organisation alone: whoever calls this has made sure that the
    caller belongs to it.

    Args:
        keyring: Gives the ring of keys, or raises where there is none. Asked only when something is to be encrypted
            or decrypted.
        environment: This installation's own keys by provider, for organisations that have none.
    """

    def __init__(self, *, keyring: "Callable[[], KeyRing]", environment: Mapping[str, SecretStr]) -> None:
        self._keyring = keyring
        self._environment = environment

    async def get_api_key(
        self, session: ReadSession, org_id: OwnerId, provider: str, team_id: OwnerId | None = None
    ) -> SecretStr:
        """The team's key, else the organisation's, else this installation's. One query.

        A key that is there and cannot be read is an error, never a reason to take the next one.

        Raises:
            ResourceNotFoundError: None of them has one.
            ValidationError: An id or the provider's name breaks its rule.
            SecretsError: The key cannot be decrypted.
            ConfigurationError: A key is stored, and SECRETS_KEYS is not set.
        """
        organization = api_key_path(org_id, provider)
        paths = [organization] if team_id is None else [api_key_path(org_id, provider, team_id), organization]
        found = await store.find_envelopes(session, paths)
        for path in paths:
            if path in found:
                return self._keyring().open(found[path], path=path)
        if provider in self._environment:
            return self._environment[provider]
        raise ResourceNotFoundError(_RESOURCE, provider)

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
        await store.put_envelope(session, path, self._keyring().seal(value, path=path))

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
        """What is stored for an organisation, its teams included, or for one of its teams; by path, never a value.

        Args:
            session: Reads.
            org_id: The organisation.
            team_id: Only this team's.
            after: The last path of the page before.
            limit: How many at most, 1 to 1000.

        Raises:
            ValidationError: An id, or the limit, breaks its rule.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise ValidationError("limit", f"A page has 1 to {MAX_PAGE} entries.")
        return await store.list_secrets(session, owner_prefix(org_id, team_id), after=after, limit=limit)


def _storable(value: SecretStr) -> bool:
    try:
        return 1 <= len(value.get_secret_value().encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:
        return False
