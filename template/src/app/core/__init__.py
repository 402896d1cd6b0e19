"""What every layer may use and what knows none of them; application code needs little more than these three."""

from app.core import cache
from app.core.logging import get_logger
from app.core.monitoring import monitor

__all__ = ["cache", "get_logger", "monitor"]
