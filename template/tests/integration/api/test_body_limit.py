"""The limit of bodies, however long a caller says that they are."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Request
from httpx import AsyncClient

from app.core.config import ApiSettings, ApplicationSettings
from tests.applications import running
from tests.problems import problem

pytestmark = pytest.mark.anyio

LIMIT = 2048

router = APIRouter()


@router.post("/size")
@router.post("/large", max_body_size=4 * LIMIT)
async def size(request: Request) -> int:
    return len(await request.body())


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    limited = settings.model_copy(update={"api": ApiSettings(max_body_bytes=LIMIT)})
    async with running(limited, router) as client:
        yield client


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 1024):
        yield b"x" * 1024


@pytest.mark.parametrize(("path", "limit"), [("/size", LIMIT), ("/large", 4 * LIMIT)])
async def test_body_over_the_limit_is_refused_announced_or_not(path: str, limit: int, api: AsyncClient) -> None:
    for body in (b"x" * (limit + 1), in_pieces(limit + 1024)):
        answer = await api.post(path, content=body)

        problem(answer, 413, "BODY_TOO_LARGE")
        assert answer.headers["Connection"] == "close"
    for body in (b"x" * limit, in_pieces(limit)):
        assert (await api.post(path, content=body)).json() == limit


async def test_body_without_an_end_is_read_up_to_the_limit(api: AsyncClient) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 1024

    assert (await api.post("/size", content=endless())).status_code == 413
    assert read <= 4
