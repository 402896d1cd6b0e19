"""API keys of organisations and teams, encrypted in PostgreSQL and bound to their paths.

    key = await get_secrets_service().get_api_key(session, org_id, "openai", team_id)

Nothing here imports `cryptography` until the first secret is stored or read.
"""

from app.core.secrets.rotation import rotate
from app.core.secrets.service import MAX_VALUE_BYTES, SecretsService, get_secrets_service
from app.core.secrets.store import SecretsError, TamperedSecretError, UnknownKeyError, count_by_key

__all__ = [
    "MAX_VALUE_BYTES",
    "SecretsError",
    "SecretsService",
    "TamperedSecretError",
    "UnknownKeyError",
    "count_by_key",
    "get_secrets_service",
    "rotate",
]
