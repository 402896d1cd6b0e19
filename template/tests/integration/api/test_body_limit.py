"""No body is read beyond the limit, whatever the caller announces."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Request
from httpx import AsyncClient
from starlette.types import Message

from app.core.config import ApiSettings, ApplicationSettings
from tests.applications import running
from tests.raw_requests import call

pytestmark = pytest.mark.anyio

LIMIT = 2048

router = APIRouter()


@router.post("/size")
async def size(request: Request) -> int:
    return len(await request.body())


@router.post("/ignores-its-body")
async def ignores_its_body() -> str:
    return "fine"


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    limited = settings.model_copy(update={"api": ApiSettings(max_body_bytes=LIMIT)})
    async with running(limited, router) as client:
        yield client


async def test_a_body_of_the_limit_is_read(api: AsyncClient) -> None:
    assert (await api.post("/size", content=b"x" * LIMIT)).json() == LIMIT


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1024


async def test_a_body_beyond_the_limit_is_refused_announced_or_not(api: AsyncClient) -> None:
    announced = await api.post("/size", content=b"x" * (LIMIT + 1))
    in_pieces = await api.post("/size", content=pieces(3))

    for answer in (announced, in_pieces):
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Connection"] == "close"
        assert answer.json()["error_code"] == "BODY_TOO_LARGE"
        assert answer.json()["detail"] == f"The body may have at most {LIMIT} bytes."
    assert (await api.post("/size", content=pieces(2))).json() == LIMIT


async def test_no_more_than_the_limit_is_ever_read(api: AsyncClient) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 1024

    assert (await api.post("/size", content=endless())).status_code == 413
    assert read <= 4


@pytest.mark.parametrize("announced", [b"0", b"10", b"-1", b"nonsense", b"9" * 5000])
async def test_a_length_that_lies_changes_nothing(announced: bytes, api: AsyncClient) -> None:
    body: list[Message] = [{"type": "http.request", "body": b"x" * 1024, "more_body": part < 2} for part in range(3)]

    messages = await call(api, "/size", headers=[(b"content-length", announced)], body=body)

    assert messages[0]["status"] == 413


async def test_a_route_that_reads_no_body_is_not_asked_about_it(api: AsyncClient) -> None:
    assert (await api.post("/ignores-its-body", content=b"x" * (LIMIT + 1))).status_code == 200
