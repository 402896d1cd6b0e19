"""Errors are problem documents: the right status, its code, an id, and nothing of the inside or of the input."""

from collections.abc import AsyncIterator

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, HTTPException
from httpx import AsyncClient
from pydantic import BaseModel, ConfigDict, SecretStr

from app.core import exceptions
from app.core.config import ApplicationSettings
from app.core.config.api import ApiSettings
from app.core.redaction import redact, redact_text
from app.models.schemas.types import Line
from tests.applications import running
from tests.clients import problem
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

SECRET = "Xq7planted"
INSIDE = f"postgres://app:{SECRET}@db/app"
NAN = float("nan")

ERRORS: dict[str, tuple[exceptions.AppException, int]] = {
    type(error).__name__: (error, status)
    for error, status in (
        (exceptions.ResourceNotFoundError("Item", 7), 404),
        (exceptions.ResourceExistsError("Item", "A-1"), 409),
        (exceptions.ConcurrentUpdateError("Item", 7), 409),
        (exceptions.BusinessRuleError("Closed on Sundays."), 409),
        (exceptions.ValidationError("name", "must not be empty"), 422),
        (exceptions.AuthenticationError("Log in first."), 401),
        (exceptions.AuthorizationError("Not yours."), 403),
        (exceptions.RateLimitError(30), 429),
        (
            exceptions.ExternalServiceError(
                "billing", f"at https://me:{SECRET}@x", details={"api_key": SECRET, "n": NAN}
            ),
            503,
        ),
        (exceptions.DatabaseConnectionError("The database cannot be reached."), 503),
        (exceptions.DatabaseTimeoutError("The database took too long."), 504),
        (exceptions.TimeoutError("It took too long."), 504),
        (exceptions.AppException(INSIDE), 500),
        (exceptions.DatabaseQueryError(INSIDE), 500),
        (exceptions.ConfigurationError(INSIDE), 500),
    )
}
HEADERS = {
    "RateLimitError": ("Retry-After", "30"),
    "DatabaseConnectionError": ("Retry-After", "1"),
    "AuthenticationError": ("WWW-Authenticate", "Bearer"),
}

router = APIRouter()


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Line
    password: SecretStr
    age: int = 0


@router.post("/form")
async def send_form(form: Form) -> str:
    return form.name


@router.get("/raises/{name}")
async def raises(name: str) -> None:
    raise ERRORS[name][0]


@router.get("/bug")
async def bug() -> None:
    try:
        int(SECRET)
    except ValueError as err:
        raise KeyError(f"password={SECRET}") from err


@router.get("/teapot")
async def http_exception() -> None:
    raise HTTPException(418, "As you like it.", headers={"X-Why": "because"})


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


@pytest.mark.parametrize("name", ERRORS)
async def test_every_error_is_answered_with_its_status(name: str, api: AsyncClient) -> None:
    error, status = ERRORS[name]
    with captured_log() as log:
        answer = await api.get(f"/raises/{name}")

    if status == 500:
        found = problem(answer, status, "INTERNAL_ERROR")
        assert found["request_id"] in found["detail"]
    else:
        found = problem(answer, status, error.error_code)
        assert found["detail"] == redact_text(error.message)
        assert found.get("field") == getattr(error, "field", None)
        assert found.get("details", {}) == redact(error.details)
    header, value = HEADERS.get(name, ("Retry-After", "1" if status == 503 else None))
    assert answer.headers.get(header) == value
    logged = log.events("error")
    assert len(logged) == (1 if status >= 500 else 0)
    assert all(name in line["exception"] and line["request_id"] == answer.json()["request_id"] for line in logged)
    assert "planted" not in log.text


async def test_bug_is_a_500_with_an_id_and_its_traceback_is_in_the_log(api: AsyncClient) -> None:
    with captured_log() as log:
        answer = await api.get("/bug", headers={"X-Request-ID": "client-chosen-1"})

    found = problem(answer, 500, "INTERNAL_ERROR")
    assert found["detail"] == "Something went wrong on our side. Please quote client-chosen-1 when you report it."
    assert found.keys() == {"type", "title", "status", "detail", "error_code", "request_id"}
    (line,) = log.events("error")
    assert line["support_id"] == line["request_id"] == "client-chosen-1"
    assert all(each in line["exception"] for each in ("KeyError", "ValueError"))


@pytest.mark.parametrize("path", ["/bug", "/raises/DatabaseQueryError"])
async def test_bug_shows_its_traceback_with_debug_on(path: str, settings: ApplicationSettings) -> None:
    async with running(settings.model_copy(update={"api": ApiSettings(debug=True)}), router) as client:
        shown = str((await client.get(path)).json()["traceback"])

    assert "Traceback" in shown
    # Even then: the traceback of a staging machine ends up in a ticket.
    assert not any(text in shown for text in (f"password={SECRET}", INSIDE))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("POST", "/bug", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/teapot", 418, "IM_A_TEAPOT"),
    ],
)
async def test_error_of_the_framework_looks_the_same(
    method: str, path: str, status: int, code: str, api: AsyncClient
) -> None:
    with captured_log(json_lines=False) as log:
        answer = await api.request(method, path)

    problem(answer, status, code)
    assert f" status={status}\n" in log.text
    if path == "/teapot":
        assert (answer.json()["detail"], answer.headers["X-Why"]) == ("As you like it.", "because")


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "x", "password": [SECRET]}, {"body.password": "Input should be a valid string"}),
        ({"name": f"{SECRET}\0", "password": "x"}, {"body.name": "must not contain the NUL character"}),
        ({"name": "x", "password": SECRET, "age": SECRET}, {"body.age": IsStr(regex="Input should be .* integer.*")}),
        ({"name": "x", "password": SECRET, "no": SECRET}, {"body.no": "Extra inputs are not permitted"}),
    ],
)
async def test_invalid_request_names_every_place_and_rule_and_no_value(
    body: object, errors: dict[str, str], api: AsyncClient
) -> None:
    found = problem(await api.post("/form", json=body), 422, "VALIDATION_ERROR")

    assert {each["field"]: each["message"] for each in found["errors"]} == errors
    assert found["field"] == next(iter(errors))


@pytest.mark.parametrize("content", [b'{"name": "Xq7planted', b"\xff\xfe", b"[" * 100_000, b'{"age": NaN}'])
async def test_malformed_body_is_the_caller_s_mistake(content: bytes, api: AsyncClient) -> None:
    with captured_log() as log:
        answer = await api.post("/form", content=content, headers={"Content-Type": "application/json"})

    problem(answer, answer.status_code, {422: "VALIDATION_ERROR", 400: "BAD_REQUEST"}[answer.status_code])
    assert log.events("error") == []
