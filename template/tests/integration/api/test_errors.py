"""Every error is a problem document: the right status, its code, an id, and nothing of the inside or of the input."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, HTTPException
from httpx import AsyncClient

from app.api.errors import status_of
from app.core.config import ApiSettings, ApplicationSettings
from app.core.exceptions import (
    AppException,
    AuthenticationError,
    AuthorizationError,
    BusinessRuleError,
    CacheException,
    ConcurrentUpdateError,
    ConfigurationError,
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
    ExternalServiceError,
    InfrastructureException,
    MonitoringException,
    PaymentError,
    RateLimitError,
    ResourceExistsError,
    ResourceNotFoundError,
    SignatureError,
    TimeoutError,
    ValidationError,
)
from tests.applications import running
from tests.logs import captured_log
from tests.problems import problem

pytestmark = pytest.mark.anyio

SECRET = "Xq7planted"
INSIDE = f"postgres://app:{SECRET}@db/app"

ERRORS: dict[str, tuple[AppException, int]] = {
    type(error).__name__: (error, status)
    for error, status in (
        (ResourceNotFoundError("Item", 7), 404),
        (ResourceExistsError("Item", "A-1"), 409),
        (ConcurrentUpdateError("Item", 7), 409),
        (BusinessRuleError("Closed on Sundays."), 409),
        (ValidationError("name", "must not be empty"), 422),
        (AuthenticationError("Who are you?"), 401),
        (AuthorizationError("Not yours."), 403),
        (PaymentError("The card was declined."), 402),
        (SignatureError("The signature is wrong."), 400),
        (RateLimitError(30), 429),
        (ExternalServiceError("billing", "is away"), 503),
        (DatabaseConnectionError("The database cannot be reached."), 503),
        (DatabaseTimeoutError("The database took too long."), 504),
        (TimeoutError("It took too long."), 504),
        (AppException(INSIDE), 500),
        (InfrastructureException(INSIDE), 500),
        (DatabaseException(INSIDE), 500),
        (DatabaseQueryError(INSIDE), 500),
        (DatabaseIntegrityError(INSIDE), 500),
        (CacheException(INSIDE), 500),
        (MonitoringException(INSIDE), 500),
        (ConfigurationError(INSIDE), 500),
    )
}

router = APIRouter()


@router.get("/raises/{name}")
async def raises(name: str) -> None:
    raise ERRORS[name][0]


@router.get("/leaks")
async def leaks() -> None:
    raise ExternalServiceError(
        "billing", f"GET https://me:{SECRET}@billing.example.org", details={"api_key": SECRET, "load": float("nan")}
    )


@router.get("/bug")
async def bug() -> None:
    try:
        int(SECRET)
    except ValueError as err:
        raise KeyError(f"password={SECRET}") from err


@router.get("/http/{status}")
async def http_exception(status: int) -> None:
    raise HTTPException(status, "As you like it.", headers={"X-Why": "because"})


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


@pytest.fixture(scope="module")
async def debug_api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings.model_copy(update={"api": ApiSettings(debug=True)}), router) as client:
        yield client


@pytest.mark.parametrize("name", ERRORS)
async def test_every_error_is_answered_with_its_status(name: str, api: AsyncClient) -> None:
    error, status = ERRORS[name]

    assert status_of(error) == status
    with captured_log() as log:
        answer = await api.get(f"/raises/{name}")

    if status == 500:
        found = problem(answer, status, "INTERNAL_ERROR")
        assert found["request_id"] in found["detail"]
        assert "db/app" not in answer.text
    else:
        assert problem(answer, status, error.error_code)["detail"] == error.message
    logged = log.events("error")
    assert len(logged) == (1 if status >= 500 else 0)
    assert all(name in line["exception"] and line["request_id"] == answer.json()["request_id"] for line in logged)
    assert "planted" not in log.text


def test_a_class_without_a_status_has_its_parent_s() -> None:
    class CardExpiredError(PaymentError):
        """The card is too old."""

    assert status_of(CardExpiredError("m")) == 402


async def test_errors_have_the_headers_of_their_status(api: AsyncClient) -> None:
    assert (await api.get("/raises/RateLimitError")).headers["Retry-After"] == "30"
    assert (await api.get("/raises/DatabaseConnectionError")).headers["Retry-After"] == "1"
    assert (await api.get("/raises/AuthenticationError")).headers["WWW-Authenticate"] == "Bearer"
    assert "Retry-After" not in (await api.get("/raises/TimeoutError")).headers
    assert (await api.get("/raises/ValidationError")).json()["field"] == "name"


async def test_neither_message_nor_details_give_secrets_away(api: AsyncClient) -> None:
    found = problem(await api.get("/leaks"), 503, "EXTERNAL_SERVICE_ERROR")

    assert found["detail"] == "billing: GET https://[redacted]@billing.example.org"
    assert found["details"] == {"service": "billing", "api_key": "[redacted]", "load": "nan"}


async def test_a_bug_is_a_500_with_an_id_and_everything_is_in_the_log(api: AsyncClient) -> None:
    with captured_log() as log:
        answer = await api.get("/bug", headers={"X-Request-ID": "client-chosen-1"})

    found = problem(answer, 500, "INTERNAL_ERROR")
    assert found == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Something went wrong on our side. Please quote client-chosen-1 when you report it.",
        "error_code": "INTERNAL_ERROR",
        "request_id": "client-chosen-1",
    }
    (line,) = log.events("error")
    assert line["support_id"] == line["request_id"] == "client-chosen-1"
    assert "KeyError" in line["exception"]
    assert "ValueError" in line["exception"]
    assert len(log.events("request")) == 1


@pytest.mark.parametrize("path", ["/bug", "/raises/DatabaseQueryError"])
async def test_unexpected_error_shows_a_traceback_with_debug_alone(
    path: str, api: AsyncClient, debug_api: AsyncClient
) -> None:
    with captured_log():
        plain = (await api.get(path)).json()
        shown = (await debug_api.get(path)).json()

    assert "traceback" not in plain
    assert any("Traceback" in line for line in shown["traceback"])
    # Even then: the traceback of a staging machine ends up in a ticket.
    assert f"password={SECRET}" not in str(shown)
    assert INSIDE not in str(shown)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("POST", "/bug", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/http/413", 413, "BODY_TOO_LARGE"),
        ("GET", "/http/414", 414, "URI_TOO_LONG"),
        ("GET", "/http/418", 418, "IM_A_TEAPOT"),
        ("GET", "/http/460", 460, "HTTP_460"),
    ],
)
async def test_errors_of_the_framework_look_the_same(
    method: str, path: str, status: int, code: str, api: AsyncClient
) -> None:
    answer = await api.request(method, path)

    problem(answer, status, code)
    if path.startswith("/http/"):
        assert answer.json()["detail"] == "As you like it."
        assert answer.headers["X-Why"] == "because"
    if status == 405:
        assert answer.headers["Allow"] == "GET"
