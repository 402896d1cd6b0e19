"""Pages of other origins: whatever the OpenAPI document names, they may send and read."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Header, Response
from httpx import AsyncClient

from app.core.config import ApplicationSettings
from app.core.config.api import SecuritySettings
from app.wiring import TRACE_HEADERS
from tests.applications import running
from tests.documents import operations

pytestmark = pytest.mark.anyio

ORIGIN = "https://app.example.org"
# Browsers show these to a page without being told to (Fetch, "CORS-safelisted response-header name").
READABLE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
# These are for the browser itself.
FOR_BROWSERS = {"connection", "content-security-policy", "referrer-policy", "vary", "x-content-type-options"}
FOR_BROWSERS |= {"access-control-allow-credentials", "access-control-allow-origin", "access-control-expose-headers"}
FOR_BROWSERS |= {"x-frame-options"}

router = APIRouter()


@router.put("/documents/{name}", responses={200: {"headers": {"ETag": {"schema": {"type": "string"}}}}})
async def put_document(name: str, response: Response, if_match: Annotated[str, Header()]) -> str:
    response.headers["ETag"] = if_match
    return name


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    security = SecuritySettings(cors_origins=(ORIGIN,), cors_allow_credentials=True)
    async with running(settings.model_copy(update={"security": security}), router) as client:
        yield client


@pytest.fixture
async def document(api: AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/openapi.json")).json()
    return found


async def preflight(api: AsyncClient, path: str, method: str, *headers: str, origin: str = ORIGIN) -> int:
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": method.upper(),
        "Access-Control-Request-Headers": ", ".join(headers).lower(),
    }
    answer = await api.options(path, headers=asks)
    assert (answer.headers.get("Access-Control-Allow-Origin") == ORIGIN) is (origin == ORIGIN)
    return answer.status_code


async def test_every_header_of_every_operation_passes_preflight(api: AsyncClient, document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    always = ["Content-Type", "X-Request-ID", *TRACE_HEADERS]
    seen = set()
    for each in operations(document):
        needed = [schemes[name] for choice in each.described.get("security", ()) for name in choice]
        named = [parameter["name"] for parameter in each.parameters("header")]
        named += [scheme.get("name", "Authorization") for scheme in needed]
        seen.update(named)
        for method in (each.method, "HEAD") if each.method == "get" else (each.method,):
            assert await preflight(api, each.path, method, *always, *named) == 200, each
    assert {"Authorization", "X-API-Key", "if-match"} <= seen


async def test_every_header_that_an_answer_names_or_carries_is_exposed(
    api: AsyncClient, document: dict[str, Any]
) -> None:
    seen: set[str] = set()
    for each in operations(document):
        documented = {
            name.lower() for answer in each.described["responses"].values() for name in answer.get("headers", ())
        }
        for method in (each.method, "head", "trace"):
            answer = await api.request(method, each.path, headers={"Origin": ORIGIN, "If-Match": '"1"'}, content=b"{}")
            exposed = {name.lower() for name in answer.headers["Access-Control-Expose-Headers"].split(", ")}
            seen.update(answer.headers)

            assert answer.headers.keys() - exposed <= READABLE | FOR_BROWSERS, f"{method} {each.path}"
            assert documented <= exposed
    assert {"allow", "etag", "www-authenticate", "x-request-id"} <= seen


async def test_preflight_refuses_other_origins_and_undocumented_headers(api: AsyncClient) -> None:
    assert await preflight(api, "/documents/x", "PUT", origin="https://evil.example") == 400
    assert await preflight(api, "/documents/x", "PUT", "X-Undocumented") == 400
