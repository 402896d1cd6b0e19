"""The layer that every other may use and that knows none of them; application code needs little more than this."""

from app.core import cache
from app.core.config import get_settings
from app.core.logging import get_logger, log_db_query, log_error, log_request
from app.core.monitoring import monitor
