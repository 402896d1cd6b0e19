"""A request that breaks a rule: every place is named, no value is, and nothing of it is the service's failure."""

from collections.abc import AsyncIterator

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter
from httpx import AsyncClient
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from app.core.config import ApplicationSettings
from app.models.schemas.types import Line
from tests.applications import running
from tests.logs import captured_log
from tests.problems import problem

pytestmark = pytest.mark.anyio

SECRET = "Xq7planted"

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


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


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
        (b"\xff\xfe", {400, 422}),
        (b'{"name": "\\ud800", "password": "x"}', {422}),
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
