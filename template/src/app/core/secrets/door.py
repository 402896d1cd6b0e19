"""The process's secrets service."""

from typing import TYPE_CHECKING

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.exceptions import ConfigurationError
from app.core.process import get_object
from app.core.secrets.service import SecretsService
from app.core.singletons import Singleton

if TYPE_CHECKING:
    from app.core.secrets.keyring import KeyRing


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
    """Return the process's service.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return get_object(SecretsService)
