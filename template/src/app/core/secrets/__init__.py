"""API keys of organisations and teams, encrypted in PostgreSQL and bound to their paths.

key = await get_secrets_service().get_api_key(session, org_id, "openai", team_id)
"""

from app.core.secrets.keyring import SecretsError
from app.core.secrets.service import MAX_VALUE_BYTES, SecretsService, count_by_key, get_secrets_service, rotate
