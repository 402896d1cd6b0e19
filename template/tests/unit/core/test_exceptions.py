"""The application's errors: their codes, sentences and facts, with secrets taken out."""

import inspect
from datetime import UTC, datetime

import pytest
from dirty_equals import IsStr

from app.core import exceptions
from app.core.exceptions import (
    AppException,
    AuthenticationError,
    AuthorizationError,
    BusinessRuleError,
    CacheException,
    ConcurrentUpdateError,
    ConfigurationError,
    DatabaseConflictError,
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
    EventBusException,
    EventRejectedError,
    ExternalServiceError,
    InfrastructureException,
    MonitoringException,
    PaymentError,
    RateLimitError,
    ResourceExistsError,
    ResourceNotFoundError,
    SignatureError,
    TimeoutError,
    UncommittedChangesError,
    ValidationError,
)

# The facts that an error's own arguments tell.
FACTS: dict[type[AppException], dict[str, object]] = {
    ResourceNotFoundError: {"resource_type": "Item", "resource_id": 7},
    ResourceExistsError: {"resource_type": "Item", "identifier": "A-1"},
    ConcurrentUpdateError: {"resource_type": "Item", "resource_id": 7},
    ValidationError: {"field": "name"},
    RateLimitError: {"retry_after": 30},
    ExternalServiceError: {"service": "billing"},
}
EVERY_ERROR = [
    (AppException("m"), "INTERNAL_ERROR", "m"),
    (ResourceNotFoundError("Item", 7), "NOT_FOUND", "Item 7 does not exist."),
    (ResourceExistsError("Item", "A-1"), "ALREADY_EXISTS", "Item A-1 exists already."),
    (
        ConcurrentUpdateError("Item", 7),
        "CONCURRENT_UPDATE",
        "Item 7 has changed since it was read: read it again, then repeat the change.",
    ),
    (ValidationError("name", "m"), "VALIDATION_ERROR", "m"),
    (BusinessRuleError("m"), "BUSINESS_RULE_VIOLATED", "m"),
    (AuthenticationError("m"), "AUTHENTICATION_FAILED", "m"),
    (AuthorizationError("m"), "PERMISSION_DENIED", "m"),
    (SignatureError("m"), "SIGNATURE_INVALID", "m"),
    (RateLimitError(30), "RATE_LIMITED", "Too many requests: try again in 30 s."),
    (PaymentError("m"), "PAYMENT_FAILED", "m"),
    (InfrastructureException("m"), "INFRASTRUCTURE_ERROR", "m"),
    (DatabaseException("m"), "DATABASE_ERROR", "m"),
    (DatabaseConflictError("m"), "DATABASE_CONFLICT", "m"),
    (DatabaseConnectionError("m"), "DATABASE_UNAVAILABLE", "m"),
    (DatabaseQueryError("m"), "DATABASE_QUERY_FAILED", "m"),
    (DatabaseTimeoutError("m"), "DATABASE_TIMEOUT", "m"),
    (DatabaseIntegrityError("m"), "DATABASE_INTEGRITY", "m"),
    (DatabaseConflictError("m"), "DATABASE_CONFLICT", "m"),
    (
        UncommittedChangesError(),
        "CHANGES_NOT_COMMITTED",
        "A session ended with changes that were not committed, and they are lost: "
        "make them inside `async with atomic(session)` (app.core.uow), or take a UnitOfWork.",
    ),
    (CacheException("m"), "CACHE_ERROR", "m"),
    (EventBusException("m"), "EVENT_BUS_ERROR", "m"),
    (EventRejectedError("m"), "EVENT_REJECTED", "m"),
    (ExternalServiceError("billing", "m"), "EXTERNAL_SERVICE_ERROR", "billing: m"),
    (TimeoutError("m"), "TIMEOUT", "m"),
    (MonitoringException("m"), "MONITORING_ERROR", "m"),
    (ConfigurationError("m", next_step="n"), "CONFIGURATION_ERROR", "m"),
]


def test_every_error_of_the_module_is_tested_here() -> None:
    defined = {each for each in vars(exceptions).values() if isinstance(each, type)}
    public = {each for each in defined if issubclass(each, AppException)}

    assert {type(error) for error, _, _ in EVERY_ERROR} == public
    assert all(inspect.getdoc(error) for error in public)
    assert len({error.code for error in public}) == len(public)


@pytest.mark.parametrize(
    ("error", "code", "message"), EVERY_ERROR, ids=[type(each[0]).__name__ for each in EVERY_ERROR]
)
def test_every_error_has_its_code_and_sentence(error: AppException, code: str, message: str) -> None:
    assert error.error_code == code
    assert error.message == str(error) == message
    assert error.to_dict() == {
        "error": type(error).__name__,
        "error_code": code,
        "message": message,
        "details": FACTS.get(type(error), {}),
        "operation": None,
        "hostname": IsStr(min_length=1),
        "timestamp": error.timestamp.isoformat(),
    }
    assert error.timestamp.tzinfo is UTC


@pytest.mark.parametrize(
    "error",
    [DatabaseConflictError, DatabaseConnectionError, DatabaseQueryError, DatabaseTimeoutError, DatabaseIntegrityError],
)
def test_every_error_of_the_database_is_caught_as_one(error: type[AppException]) -> None:
    assert issubclass(error, DatabaseException)
    assert issubclass(error, InfrastructureException)


def test_app_exception_keeps_the_facts_of_a_case() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    details = {"limit": 3}

    error = ResourceNotFoundError(
        "Item", 7, error_code="THING_GONE", details=details, operation="things.get", hostname="web-1", timestamp=now
    )
    details["limit"] = 4

    assert error.to_dict() == {
        "error": "ResourceNotFoundError",
        "error_code": "THING_GONE",
        "message": "Item 7 does not exist.",
        "details": {"resource_type": "Item", "resource_id": 7, "limit": 3},
        "operation": "things.get",
        "hostname": "web-1",
        "timestamp": "2026-11-20T00:00:00+00:00",
    }


def test_every_error_with_arguments_of_its_own_keeps_them_as_facts() -> None:
    """Each argument of an error is found in its details; walks the classes, so that a new one is not forgotten."""
    common = inspect.signature(AppException).parameters.keys() | {"context", "next_step"}
    for error, _, _ in EVERY_ERROR:
        own = inspect.signature(type(error)).parameters.keys() - common
        assert error.details.keys() == own, type(error).__name__


@pytest.mark.parametrize(
    "wrong",
    [{"error_code": "STOCK_EMPTY"}, {"code": "stock_empty"}, {"code": "Stock empty"}, {"code": ""}, {"code": None}],
)
def test_a_subclass_that_names_its_code_wrongly_fails_when_it_is_defined(wrong: dict[str, object]) -> None:
    for base in {type(error) for error, _, _ in EVERY_ERROR}:
        with pytest.raises(TypeError, match="code"):
            type("StockError", (base,), wrong)
    assert type("StockError", (AppException,), {"code": "STOCK_EMPTY"})("m").error_code == "STOCK_EMPTY"


def test_to_dict_redacts_secrets() -> None:
    error = ExternalServiceError(
        "billing",
        "GET https://me:Xq7planted@billing.example.org failed",
        details={"api_key": "Xq7planted", "headers": [{"Authorization": "Xq7planted"}], "note": "Bearer Xq7planted"},
    )

    assert "planted" not in str(error.to_dict())
    assert "billing.example.org" in str(error.to_dict())


def test_timeout_error_is_not_the_builtin_one() -> None:
    assert not issubclass(TimeoutError, OSError)
