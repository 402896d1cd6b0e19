"""Each answer, that of a route or of middleware, carries the security headers and is logged."""

from collections.abc import AsyncIterator

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from httpx import AsyncClient

from app.core.config import ApiSettings, ApplicationSettings, SecuritySettings
from tests.applications import running
from tests.logs import Log

pytestmark = pytest.mark.anyio

LIMIT = 2048
ORIGIN = "https://app.example.org"
ID = IsStr(regex="[0-9a-f]{32}")

router = APIRouter()


@router.get("/data")
async def data() -> str:
    return "fine"


@router.post("/size")
async def size(request: Request) -> int:
    return len(await request.body())


@router.get("/bug")
async def bug() -> None:
    raise KeyError("bug")


@router.get("/page")
async def page() -> HTMLResponse:
    return HTMLResponse("<p>", headers={"X-Frame-Options": "SAMEORIGIN"})


@router.get("/cacheable")
async def cacheable() -> HTMLResponse:
    return HTMLResponse("x", media_type="text/plain", headers={"Cache-Control": "max-age=60"})


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    wanted = {
        "api": ApiSettings(max_body_bytes=LIMIT),
        "security": SecuritySettings(cors_origins=(ORIGIN,), cors_allow_credentials=True, hsts_seconds=600),
    }
    async with running(settings.model_copy(update=wanted), router) as client:
        yield client


@pytest.fixture(scope="module")
async def plain_api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/data", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/bug", 500),
        ("POST", "/size", 413),
        ("OPTIONS", "/data", 200),
        ("OPTIONS", "/bug", 400),
    ],
)
async def test_every_answer_has_every_header(method: str, path: str, status: int, api: AsyncClient, log: Log) -> None:
    asks = {"Origin": ORIGIN if status != 400 else "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = await api.request(method, path, headers=asks, content=b"x" * (LIMIT + 1) if status == 413 else None)

    assert answer.status_code == status
    headers = answer.headers
    assert headers["X-Request-ID"] == ID
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"] == "max-age=600; includeSubDomains"
    assert headers.get("Access-Control-Allow-Origin") == (ORIGIN if status != 400 else None)
    assert "Server" not in headers
    for name in {name.lower() for name in headers}:
        assert len(headers.get_list(name)) == 1, name
    (line,) = log.events("request")
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


async def test_cors_and_hsts_headers_are_absent_unless_configured(plain_api: AsyncClient) -> None:
    answer = await plain_api.get("/data", headers={"Origin": ORIGIN})

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers


async def test_headers_that_a_route_sets_stay(plain_api: AsyncClient) -> None:
    page = await plain_api.get("/page")
    data = await plain_api.get("/cacheable")

    assert page.headers.get_list("X-Frame-Options") == ["SAMEORIGIN"]
    assert "Content-Security-Policy" not in page.headers
    assert data.headers.get_list("Cache-Control") == ["max-age=60"]
    assert data.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_pages_of_the_documentation_may_load_their_scripts(path: str, plain_api: AsyncClient) -> None:
    answer = await plain_api.get(path)

    assert answer.status_code == 200
    assert "<script" in answer.text
    assert "Content-Security-Policy" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
