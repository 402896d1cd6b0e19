"""Every error this application raises on purpose. No web framework here: `api/errors.py` alone knows status codes."""

from app.core.exceptions.base import AppException
from app.core.exceptions.domain import (
    AuthenticationError,
    AuthorizationError,
    BusinessRuleError,
    ConcurrentUpdateError,
    PaymentError,
    RateLimitError,
    ResourceExistsError,
    ResourceNotFoundError,
    ValidationError,
)
from app.core.exceptions.infrastructure import (
    CacheException,
    ConfigurationError,
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
    ExternalServiceError,
    InfrastructureException,
    MonitoringException,
    TimeoutError,
)

__all__ = [
    "AppException",
    "AuthenticationError",
    "AuthorizationError",
    "BusinessRuleError",
    "CacheException",
    "ConcurrentUpdateError",
    "ConfigurationError",
    "DatabaseConnectionError",
    "DatabaseException",
    "DatabaseIntegrityError",
    "DatabaseQueryError",
    "DatabaseTimeoutError",
    "ExternalServiceError",
    "InfrastructureException",
    "MonitoringException",
    "PaymentError",
    "RateLimitError",
    "ResourceExistsError",
    "ResourceNotFoundError",
    "TimeoutError",
    "ValidationError",
]
