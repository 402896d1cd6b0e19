"""The document that describes the interface."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.core.config import ApiSettings, ApplicationSettings
from tests.applications import running
from tests.documents import operations

pytestmark = pytest.mark.anyio


@pytest.fixture
async def document(app: FastAPI) -> dict[str, Any]:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        first, second = await client.get("/openapi.json"), await client.get("/openapi.json")
    assert first.status_code == 200
    assert first.json() == second.json()
    found: dict[str, Any] = first.json()
    return found


def references(node: object) -> Iterator[str]:
    match node:
        case dict():
            for key, value in node.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)
        case list():
            for value in node:
                yield from references(value)


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


async def test_every_operation_id_is_unique_and_fit_for_a_method_of_a_client(document: dict[str, Any]) -> None:
    names = [each.described["operationId"] for each in operations(document)]

    assert len(set(names)) == len(names)
    assert [name for name in names if not name.isidentifier() or len(name) > 30] == []


async def test_every_reference_leads_somewhere_and_every_schema_is_used(document: dict[str, Any]) -> None:
    used = set(references(document))

    assert used == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


async def test_every_operation_is_described(document: dict[str, Any]) -> None:
    seen = {str(each): each.described for each in operations(document)}

    assert "get /api/v1/health/live" in seen
    for name, operation in seen.items():
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        assert all("description" in parameter for parameter in operation.get("parameters", ())), name


async def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for name, operation in ((str(each), each.described) for each in operations(document)):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "health" not in name:
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }, f"{name} {status}"
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_openapi_names_the_credentials_of_each_operation(document: dict[str, Any]) -> None:
    schemes, paths = document["components"]["securitySchemes"], document["paths"]

    assert {name: (scheme["type"], scheme.get("name")) for name, scheme in schemes.items()} == {
        "access_token": ("http", None),
        "api_key": ("apiKey", "X-API-Key"),
    }
    assert paths["/api/v1/users/me"]["get"]["security"] == [{"api_key": []}, {"access_token": []}]
    assert paths["/api/v1/auth/logout"]["post"]["security"] == [{"access_token": []}]
    assert "security" not in paths["/api/v1/auth/login"]["post"]


async def test_openapi_documents_the_headers_of_refusals(document: dict[str, Any]) -> None:
    for name, operation in ((str(each), each.described) for each in operations(document)):
        for status, header in (("401", "WWW-Authenticate"), ("429", "Retry-After")):
            if status in operation["responses"]:
                assert operation["responses"][status]["headers"][header]["required"], f"{name} {status}"
        of_bodies = {"400", "413"} if "requestBody" in operation else set()
        assert operation["responses"].keys() & {"400", "413"} == of_bodies, name


async def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def has_example(schema: dict[str, Any]) -> bool:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        if schema.keys() & {"example", "examples", "enum", "const", "default"} or schema.get("type") in {
            "boolean",
            "null",
        }:
            return True
        if "anyOf" in schema:
            return all(map(has_example, schema["anyOf"]))
        if "additionalProperties" in schema and "properties" not in schema:
            return has_example(schema["additionalProperties"])
        if "properties" in schema:
            return all(map(has_example, schema["properties"].values()))
        # Other schemas have one within them, that of a list's members, or none.
        members = [part for part in schema.values() if isinstance(part, dict)]
        return all(map(has_example, members)) if members else schema.get("format") in {"uuid", "date-time"}

    for name, operation in ((str(each), each.described) for each in operations(document)):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for content in (each.get("content", {}) for each in [*bodies, *operation["responses"].values()]):
            assert all(has_example(media["schema"]) for media in content.values()), name


async def test_the_documentation_can_be_switched_off(settings: ApplicationSettings) -> None:
    async with running(settings.model_copy(update={"api": ApiSettings(docs_enabled=False)})) as client:
        answers = [await client.get(path) for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]
