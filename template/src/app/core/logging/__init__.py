"""Structured logging: one line per event, with the request it belongs to and without secrets."""

from app.core.logging.lines import bind_log_context, current_request_id, log_context
from app.core.logging.records import log_db_query, log_error, log_request
from app.core.logging.setup import Logger, configure_logging, get_logger

__all__ = [
    "Logger",
    "bind_log_context",
    "configure_logging",
    "current_request_id",
    "get_logger",
    "log_context",
    "log_db_query",
    "log_error",
    "log_request",
]
