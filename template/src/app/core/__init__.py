"""What every layer may use and what knows none of them: settings, database, errors, logging, health."""

from app.core.logging import get_logger
from app.core.monitoring import monitor

__all__ = ["get_logger", "monitor"]
