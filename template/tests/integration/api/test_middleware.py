"""Middleware: the hosts and the prefix that are answered, the limit of bodies, and the headers of every answer."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, Request, Response
from httpx import AsyncClient

from app.core.config import ApplicationSettings
from app.core.config.api import ApiSettings, SecuritySettings
from tests.applications import running
from tests.clients import problem
from tests.logs import Log

pytestmark = pytest.mark.anyio

LIMIT = 2048
ORIGIN = "https://app.example.org"

router = APIRouter()


@router.post("/size")
@router.post("/large", max_body_size=4 * LIMIT)
async def size(request: Request, response: Response) -> int:
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return len(await request.body())


@router.get("/bug")
async def bug() -> None:
    raise KeyError("bug")


def with_api(settings: ApplicationSettings, **api: object) -> ApplicationSettings:
    security = SecuritySettings(cors_origins=(ORIGIN,), hsts_seconds=600)
    return settings.model_copy(update={"api": ApiSettings.model_validate(api), "security": security})


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(with_api(settings, max_body_bytes=LIMIT), router) as client:
        yield client


async def test_api_allowed_hosts_refuses_others_and_no_probe(settings: ApplicationSettings) -> None:
    hosts = {"api.example.com": 401, "API.example.com:8443": 401, "a.b.example.org": 401, "[::1]:8000": 401}
    others = {"example.org": 400, "evilapi.example.com": 400, "10.0.0.7:8000": 400}
    async with running(with_api(settings, allowed_hosts="api.example.com, *.Example.org,[::1]")) as client:
        for host, status in (hosts | others).items():
            answer = await client.get("/api/v1/users/me", headers={"Host": host})
            probe = await client.get("/api/v1/health/ready", headers={"Host": host})

            assert (answer.status_code, probe.status_code) == (status, 200), host
            assert "X-Request-ID" in answer.headers


async def test_no_answer_redirects_to_where_a_caller_says(client: AsyncClient) -> None:
    """Every path of the document, as it is and with its last slash the other way round."""
    document = (await client.get("/openapi.json")).json()
    for path in document["paths"]:
        for asked in (path, path.rstrip("/") if path.endswith("/") else f"{path}/"):
            answer = await client.get(asked, headers={"Host": "evil.example"})
            assert "evil.example" not in str(answer.headers) + answer.text, asked
            assert not answer.is_redirect, asked


@pytest.mark.parametrize("arrives", ["", "/shop"], ids=["stripped", "whole"])
async def test_api_root_path_is_part_of_every_address(arrives: str, settings: ApplicationSettings) -> None:
    async with running(with_api(settings, root_path="/shop"), router) as client:
        document = (await client.get(f"{arrives}/openapi.json")).json()
        page = await client.get(f"{arrives}/docs")
        addresses = [urljoin(f"{arrives}/docs", found) for found in re.findall(r'="(docs/[^"]+)"', page.text)]
        loaded = [await client.get(address) for address in addresses]

    assert document["servers"] == [{"url": "/shop"}]
    assert not any(path.startswith("/shop/") for path in document["paths"])
    assert [answer.status_code for answer in loaded] == [200, 200, 200], addresses
    assert "/shop" not in page.text


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
    endless = in_pieces(100 * 1024)

    assert (await api.post("/size", content=endless)).status_code == 413
    assert len([piece async for piece in endless]) >= 96


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
    assert line["level"] == ("warning" if status == 500 else "info")


async def test_docs_load_from_this_service_alone(client: AsyncClient) -> None:
    page = await client.get("/docs")

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert [(await client.get(path)).status_code for path in loaded if path != "data:,"] == [200, 200, 200]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    # Left out where no setting asks for it.
    assert "Strict-Transport-Security" not in page.headers
