"""The document that describes the interface, and the methods that each path has."""

from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.core.config import ApplicationSettings
from app.core.config.api import ApiSettings
from tests.applications import running, served
from tests.documents import Document, example, operations

pytestmark = pytest.mark.anyio

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# Headers of one request alone.
OF_EACH = {"x-request-id", "date"}
STREAMS = {"application/jsonl", "text/event-stream"}


@pytest.fixture
async def document(client: AsyncClient) -> Document:
    found: Document = (await client.get("/openapi.json")).json()
    return found


async def test_openapi_is_valid(document: Document) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(dict(document)).iter_errors()] == []


async def test_openapi_describes_every_operation_for_people_and_for_generators(document: Document) -> None:
    names = [each.described["operationId"] for each in operations(document)]

    assert len(set(names)) == len(names)
    assert [name for name in names if not name.isidentifier() or len(name) > 30] == []
    for each in operations(document):
        assert each.method in {"get", "post", "put", "patch", "delete"}
        assert all(each.described[part] for part in ("summary", "description", "tags")), each
        assert all("description" in parameter for parameter in each.described.get("parameters", ())), each


async def test_openapi_describes_every_refusal(document: Document) -> None:
    for each in operations(document):
        answers = each.described["responses"]
        for status, answer in answers.items():
            if int(status) >= 400 and "/health/" not in each.path:
                assert answer["content"] == PROBLEM, f"{each} {status}"
        for status, header in (("401", "WWW-Authenticate"), ("429", "Retry-After")):
            if status in answers:
                assert answers[status]["headers"][header]["required"], f"{each} {status}"
        assert answers.keys() & {"400", "413"} == ({"400", "413"} if each.body else set()), each


async def test_every_body_has_an_example(document: Document) -> None:
    schemas = document["components"]["schemas"]

    def has_example(schema: dict[str, Any]) -> bool:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        if schema.keys() & {"example", "examples", "enum", "const", "default"}:
            return True
        if schema.get("type") in {"boolean", "null"} or schema.get("format") in {"uuid", "date-time"}:
            return True
        parts = schema.get("anyOf") or list(schema.get("properties", {}).values())
        # Other schemas have one within them, that of a list's or a map's members, or none.
        parts = parts or [part for part in schema.values() if isinstance(part, dict)]
        return bool(parts) and all(map(has_example, parts))

    for each in operations(document):
        bodies = [each.described.get("requestBody", {}), *each.described["responses"].values()]
        for kind, media in (found for body in bodies for found in body.get("content", {}).items()):
            # The schema of events is the framework's.
            assert kind == "text/event-stream" or has_example(media["schema"]), each


async def test_api_docs_enabled_switches_the_pages_off(settings: ApplicationSettings) -> None:
    async with running(settings.model_copy(update={"api": ApiSettings(docs_enabled=False)})) as client:
        answers = [await client.get(path) for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "BREW"])
async def test_allow_names_all_methods_that_the_path_has(method: str, anonymous: AsyncClient) -> None:
    answer = await anonymous.request(method, "/api/v1/users/me/api-keys")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"


async def test_head_answers_wherever_get_does_and_without_a_body(
    app: FastAPI, client: AsyncClient, document: Document
) -> None:
    paths = ["/docs", "/docs/assets/page.js", "/openapi.json", "/nowhere", "/api/v1/auth/login"]
    for each in operations(document):
        # What streams may never end, and its length is not known before.
        if each.method == "get" and not STREAMS & each.described["responses"].get("200", {}).get("content", {}).keys():
            parts = {p["name"]: uuid4() if "format" in p["schema"] else "x" for p in each.parameters("path")}
            query = [f"{p['name']}={example(p['schema'], document)}" for p in each.parameters("query") if p["required"]]
            paths.append(f"{each.path.format(**parts)}?{'&'.join(query)}")

    async with served(app) as url, AsyncClient(base_url=url, headers=client.headers) as caller:
        for path in paths:
            get, head = await caller.get(path), await caller.head(path)

            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert head.headers.keys() - OF_EACH == get.headers.keys() - OF_EACH, path
            assert head.headers["Content-Type"] == get.headers["Content-Type"], path
