"""Structured logging: one line per event, with the request it belongs to and without secrets."""

from app.core.logging.context import (
    bind_log_context,
    current_request_id,
    current_trace_id,
    is_log_context_open,
    log_context,
)
from app.core.logging.records import flush_requests, log_db_query, log_error, log_request
from app.core.logging.setup import Logger, configure_logging, get_logger

__all__ = [
    "Logger",
    "bind_log_context",
    "configure_logging",
    "current_request_id",
    "current_trace_id",
    "flush_requests",
    "get_logger",
    "is_log_context_open",
    "log_context",
    "log_db_query",
    "log_error",
    "log_request",
]
