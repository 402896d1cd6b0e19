"""Every error is a problem document: the right status, its code, an id, and nothing of the inside or of the input."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, HTTPException
from httpx import AsyncClient, Response
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

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
    TimeoutError,
    ValidationError,
)
from app.models.schemas.types import Line
from tests.applications import running
from tests.logs import Log, captured_log

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


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Line
    password: SecretStr
    age: int = 0

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        if value != value.lower():
            raise ValueError("must be lower case")
        return value


@router.post("/login")
async def login(form: Login) -> str:
    return form.name


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


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, checked for what all of them have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (found["type"], found["status"], found["error_code"]) == ("about:blank", status, code)
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["X-Request-ID"]
    assert "planted" not in answer.text
    return found


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


async def test_some_errors_say_more_in_their_headers(api: AsyncClient) -> None:
    assert (await api.get("/raises/RateLimitError")).headers["Retry-After"] == "30"
    assert (await api.get("/raises/DatabaseConnectionError")).headers["Retry-After"] == "1"
    assert (await api.get("/raises/AuthenticationError")).headers["WWW-Authenticate"] == "Bearer"
    assert "Retry-After" not in (await api.get("/raises/TimeoutError")).headers
    assert (await api.get("/raises/ValidationError")).json()["field"] == "name"


async def test_neither_message_nor_details_give_secrets_away(api: AsyncClient) -> None:
    found = problem(await api.get("/leaks"), 503, "EXTERNAL_SERVICE_ERROR")

    assert found["detail"] == "billing: GET https://[redacted]@billing.example.org"
    assert found["details"] == {"api_key": "[redacted]", "load": "nan"}


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
async def test_only_debug_shows_a_traceback(path: str, api: AsyncClient, debug_api: AsyncClient) -> None:
    with captured_log():
        plain = (await api.get(path)).json()
        shown = (await debug_api.get(path)).json()

    assert "traceback" not in plain
    assert any("Traceback" in line for line in shown["traceback"])
    # Even then: a staging machine's traceback ends up in somebody's ticket.
    assert f"password={SECRET}" not in str(shown)
    assert INSIDE not in str(shown)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("POST", "/bug", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/http/403", 403, "FORBIDDEN"),
        ("GET", "/http/413", 413, "BODY_TOO_LARGE"),
        ("GET", "/http/414", 414, "URI_TOO_LONG"),
        ("GET", "/http/416", 416, "RANGE_NOT_SATISFIABLE"),
        ("GET", "/http/418", 418, "IM_A_TEAPOT"),
        ("GET", "/http/422", 422, "VALIDATION_ERROR"),
        ("GET", "/http/460", 460, "HTTP_460"),
        ("GET", "/http/503", 503, "SERVICE_UNAVAILABLE"),
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


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("body.name", "Field required"), ("body.password", "Field required")]),
        ({"name": "x", "password": [SECRET]}, [("body.password", "Input should be a valid string")]),
        ({"name": SECRET, "password": SECRET}, [("body.name", "must be lower case")]),
        ({"name": "x", "password": SECRET, "age": SECRET}, [("body.age", IsStr(regex="Input should be .* integer.*"))]),
        ({"name": "x", "password": SECRET, "no": SECRET}, [("body.no", "Extra inputs are not permitted")]),
        (["x"], [("body", IsStr(regex="Input should be .*"))]),
    ],
)
async def test_an_invalid_request_names_every_place_and_rule_and_no_value(
    body: object, errors: list[tuple[str, str]], api: AsyncClient
) -> None:
    found = problem(await api.post("/login", json=body), 422, "VALIDATION_ERROR")

    assert [(each["field"], each["message"]) for each in found["errors"]] == errors
    assert found["field"] == errors[0][0]


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        (b'{"name": "Xq7planted', {422}),
        (b"", {422}),
        (b"Xq7planted", {422}),
        (b"\xff\xfe", {400, 422}),
        (b'{"name": "\\ud800", "password": "x"}', {422}),
        (b'{"name": "x", "password": "x", "\\ud800": 1}', {422}),
        (b"[" * 100_000, {400, 422}),
        (b'{"age": ' + b"9" * 10_000 + b"}", {400, 422}),
        (b'{"age": NaN}', {422}),
    ],
)
async def test_a_malformed_body_is_the_caller_s_mistake(content: bytes, statuses: set[int], api: AsyncClient) -> None:
    with captured_log() as log:
        answer = await api.post("/login", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code in statuses, answer.text
    problem(answer, answer.status_code, "VALIDATION_ERROR" if answer.status_code == 422 else "BAD_REQUEST")
    assert log.events("error") == []


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
async def test_another_media_type_is_the_caller_s_mistake(media_type: str, api: AsyncClient) -> None:
    answer = await api.post(
        "/login", content=b'{"name": "x", "password": "Xq7planted"}', headers={"Content-Type": media_type}
    )

    problem(answer, 422, "VALIDATION_ERROR")


async def test_an_error_answer_inside_another_request_keeps_its_own_id(api: AsyncClient) -> None:
    first, second = await api.get("/nowhere"), await api.get("/nowhere")

    assert first.json()["request_id"] != second.json()["request_id"]


async def test_the_log_of_an_error_is_that_of_its_request(api: AsyncClient) -> None:
    log: Log
    with captured_log() as log:
        await api.get("/raises/TimeoutError", headers={"X-Request-ID": "first-request"})
        await api.get("/raises/TimeoutError", headers={"X-Request-ID": "second-request"})

    assert [line["request_id"] for line in log.events("error")] == ["first-request", "second-request"]
