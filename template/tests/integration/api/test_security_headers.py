"""The headers of every answer, that of a route or of middleware."""

from collections.abc import AsyncIterator

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, Request, Response
from httpx import AsyncClient

from app.core.config import ApiSettings, ApplicationSettings, SecuritySettings
from tests.applications import running
from tests.logs import Log

pytestmark = pytest.mark.anyio

LIMIT = 2048
ORIGIN = "https://app.example.org"

router = APIRouter()


@router.post("/size")
async def size(request: Request, response: Response) -> int:
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return len(await request.body())


@router.get("/bug")
async def bug() -> None:
    raise KeyError("bug")


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    wanted = {
        "api": ApiSettings(max_body_bytes=LIMIT),
        "security": SecuritySettings(cors_origins=(ORIGIN,), hsts_seconds=600),
    }
    async with running(settings.model_copy(update=wanted), router) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/size", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/bug", 500),
        ("POST", "/size", 413),
        ("OPTIONS", "/bug", 400),
    ],
)
async def test_every_answer_has_every_header(method: str, path: str, status: int, api: AsyncClient, log: Log) -> None:
    asks = {"Origin": ORIGIN if status != 400 else "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = await api.request(method, path, headers=asks, content=b"x" * (LIMIT + 1) if status == 413 else None)

    assert answer.status_code == status
    headers = answer.headers
    assert headers["X-Request-ID"] == IsStr(regex="[0-9a-f]{32}")
    assert headers["X-Content-Type-Options"] == "nosniff"
    # Unless the route has set it.
    assert headers["X-Frame-Options"] == ("SAMEORIGIN" if status == 200 else "DENY")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"] == "max-age=600; includeSubDomains"
    assert headers.get("Access-Control-Allow-Origin") == (ORIGIN if status != 400 else None)
    assert all(len(headers.get_list(name)) == 1 for name in headers)
    (line,) = log.events("request")
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


async def test_docs_pages_may_load_their_scripts(client: AsyncClient) -> None:
    for path in ("/docs", "/redoc"):
        answer = await client.get(path)

        assert answer.status_code == 200
        assert "<script" in answer.text
        assert "Content-Security-Policy" not in answer.headers
        # What the settings do not ask for is left out.
        assert "Strict-Transport-Security" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
