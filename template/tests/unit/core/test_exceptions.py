"""The application's errors: their codes, sentences and facts, with secrets taken out."""

from datetime import UTC, datetime

import pytest
from dirty_equals import IsPartialDict, IsStr

from app.core import exceptions
from app.core.exceptions import (
    AppException,
    BusinessRuleError,
    ConcurrentUpdateError,
    DatabaseException,
    ExternalServiceError,
    InfrastructureException,
    JobVersionError,
    RateLimitError,
    ResourceExistsError,
    ResourceNotFoundError,
    TimeoutError,
    ValidationError,
)

# Errors whose arguments are facts that the details tell, and the beginning of their sentences.
WITH_FACTS: list[tuple[AppException, dict[str, object], str]] = [
    (ResourceNotFoundError("Item", 7), {"resource_type": "Item", "resource_id": 7}, "Item 7 does not exist."),
    (ResourceExistsError("Item", "A-1"), {"resource_type": "Item", "identifier": "A-1"}, "Item A-1 exists already."),
    (ConcurrentUpdateError("Item", 7), {"resource_type": "Item", "resource_id": 7}, "Item 7 has changed since"),
    (ValidationError("name", "It is long."), {"field": "name"}, "It is long."),
    (RateLimitError(30), {"retry_after": 30}, "Too many requests: try again in 30 s."),
    (ExternalServiceError("billing", "It is away."), {"service": "billing"}, "billing: It is away."),
    (JobVersionError("receipt.send", written=3, known=2), {}, "A receipt.send of version 3 is in the queue"),
]
PUBLIC = [each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, AppException)]


@pytest.mark.parametrize(("error", "facts", "sentence"), WITH_FACTS)
def test_an_error_has_its_sentence_and_its_arguments_as_facts(
    error: AppException, facts: dict[str, object], sentence: str
) -> None:
    assert error.message == str(error)
    assert error.message.startswith(sentence)
    assert error.details == facts


def test_codes_are_stable_and_each_class_has_one_of_its_own() -> None:
    codes = {each.code: each.__name__ for each in PUBLIC}

    assert len(codes) == len(PUBLIC)
    assert codes.items() >= {
        ("NOT_FOUND", "ResourceNotFoundError"),
        ("ALREADY_EXISTS", "ResourceExistsError"),
        ("VALIDATION_ERROR", "ValidationError"),
        ("AUTHENTICATION_FAILED", "AuthenticationError"),
        ("PERMISSION_DENIED", "AuthorizationError"),
        ("RATE_LIMITED", "RateLimitError"),
        ("EXTERNAL_SERVICE_ERROR", "ExternalServiceError"),
        ("TIMEOUT", "TimeoutError"),
    }
    assert all(issubclass(each, InfrastructureException) for each in DatabaseException.__subclasses__())
    assert not issubclass(TimeoutError, OSError), "it is not the builtin one"


def test_to_dict_has_all_that_is_known_of_a_case() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    error = ResourceNotFoundError(
        "Item", 7, error_code="GONE", details={"limit": 3}, operation="items.get", hostname="web-1", timestamp=now
    )

    assert error.to_dict() == {
        "error": "ResourceNotFoundError",
        "error_code": "GONE",
        "message": "Item 7 does not exist.",
        "details": {"resource_type": "Item", "resource_id": 7, "limit": 3},
        "operation": "items.get",
        "hostname": "web-1",
        "timestamp": "2026-11-20T00:00:00+00:00",
    }
    assert BusinessRuleError("It is closed.").to_dict() == IsPartialDict(
        error_code="BUSINESS_RULE_VIOLATED", details={}, operation=None, hostname=IsStr(min_length=1)
    )


@pytest.mark.parametrize(
    "wrong",
    [{"error_code": "STOCK_EMPTY"}, {"code": "stock_empty"}, {"code": "Stock empty"}, {"code": ""}, {"code": None}],
)
def test_a_subclass_that_names_its_code_wrongly_fails_when_it_is_defined(wrong: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="code"):
        type("StockError", (BusinessRuleError,), wrong)
    assert type("StockError", (BusinessRuleError,), {"code": "STOCK_EMPTY"})("m").error_code == "STOCK_EMPTY"


def test_to_dict_redacts_secrets() -> None:
    error = ExternalServiceError(
        "billing",
        "GET https://me:Xq7planted@billing.example.org failed",
        details={"api_key": "Xq7planted", "headers": [{"Authorization": "Xq7planted"}], "note": "Bearer Xq7planted"},
    )

    assert "planted" not in str(error.to_dict())
    assert "billing.example.org" in str(error.to_dict())
