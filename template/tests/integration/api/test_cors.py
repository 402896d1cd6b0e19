"""Pages of other origins: whatever the OpenAPI document names, they may send and read."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Header, Response
from httpx import AsyncClient

from app.core.config import ApplicationSettings, SecuritySettings
from app.wiring import TRACE_HEADERS
from tests.applications import running
from tests.documents import operations

pytestmark = pytest.mark.anyio

ORIGIN = "https://app.example.org"
# Browsers show these to a page without being told to (Fetch, "CORS-safelisted response-header name").
READABLE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
# These are for the browser itself.
FOR_BROWSERS = {
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-security-policy",
    "referrer-policy",
    "vary",
    "x-content-type-options",
    "x-frame-options",
}

router = APIRouter()


@router.put(
    "/documents/{name}", responses={200: {"headers": {"ETag": {"schema": {"type": "string"}}}}}, include_in_schema=True
)
async def put_document(
    name: str, response: Response, if_match: Annotated[str, Header(description="The version.")]
) -> str:
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


async def preflight(api: AsyncClient, path: str, method: str, *headers: str) -> str:
    asks = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method.upper(),
        "Access-Control-Request-Headers": ", ".join(headers).lower(),
    }
    answer = await api.options(path, headers=asks)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    return answer.text


async def test_every_header_of_every_operation_passes_preflight(api: AsyncClient, document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    always = ["Content-Type", "X-Request-ID", "traceparent", "tracestate", "baggage", *TRACE_HEADERS]
    seen = set()
    for each in operations(document):
        needed = [schemes[name] for choice in each.described.get("security", ()) for name in choice]
        named = [parameter["name"] for parameter in each.parameters("header")]
        named += [scheme.get("name", "Authorization") for scheme in needed]
        seen.update(named)

        assert await preflight(api, each.path, each.method, *always, *named) == "OK", each
        if each.method == "get":
            assert await preflight(api, each.path, "HEAD", *always, *named) == "OK", each
    assert {"Authorization", "X-API-Key", "if-match"} <= seen
    assert await preflight(api, "/documents/x", "PUT", "X-Undocumented") == "Disallowed CORS headers"


async def test_every_documented_header_of_an_answer_is_exposed(api: AsyncClient, document: dict[str, Any]) -> None:
    answer = await api.get("/api/v1/health/live", headers={"Origin": ORIGIN})
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    documented = {
        name
        for each in operations(document)
        for answer in each.described["responses"].values()
        for name in answer.get("headers", ())
    }

    assert {"ETag", "Retry-After", "WWW-Authenticate"} <= documented
    assert {"X-Request-ID", *documented} <= set(exposed)


async def test_every_header_that_an_answer_carries_can_be_read(api: AsyncClient, document: dict[str, Any]) -> None:
    seen: set[str] = set()
    for each in operations(document):
        for method in (each.method, "head", "trace"):
            answer = await api.request(method, each.path, headers={"Origin": ORIGIN, "If-Match": '"1"'}, content=b"{}")
            exposed = {name.lower() for name in answer.headers["Access-Control-Expose-Headers"].split(", ")}
            seen.update(answer.headers)

            assert answer.headers.keys() - exposed <= READABLE | FOR_BROWSERS, f"{method} {each.path}"
    assert {"allow", "etag", "www-authenticate", "x-request-id"} <= seen


async def test_pages_elsewhere_are_refused_and_read_nothing(api: AsyncClient) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answers = [await api.options("/documents/x", headers=asks), await api.get("/api/v1/health/live", headers=asks)]

    assert [answer.status_code for answer in answers] == [400, 200]
    assert ["Access-Control-Allow-Origin" in answer.headers for answer in answers] == [False, False]
