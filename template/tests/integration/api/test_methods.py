"""Methods that a path has or does not have."""

from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from tests.documents import example, operations
from tests.sockets import serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_the_answer_names_all_that_the_path_has(method: str, anonymous: AsyncClient) -> None:
    answer = await anonymous.request(method, "/api/v1/users/me/api-keys")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"


PAGES = ["/docs", "/redoc", "/openapi.json"]
# Of this request alone.
OF_EACH = {"x-request-id", "date"}


async def test_head_answers_wherever_get_does_and_without_a_body(app: FastAPI, client: AsyncClient) -> None:
    document = app.openapi()
    paths = [
        each.path.format(**{p["name"]: uuid4() if "format" in p["schema"] else "x" for p in each.parameters("path")})
        + "?"
        + "&".join(f"{p['name']}={example(p['schema'], document)}" for p in each.parameters("query") if p["required"])
        for each in operations(document)
        if each.method == "get"
    ]
    assert len(paths) >= 5

    async with serving(app) as address, AsyncClient(base_url=f"http://{address}", headers=client.headers) as caller:
        for path in [*paths, *PAGES, "/nowhere", "/api/v1/auth/login"]:
            get, head = await caller.get(path), await caller.head(path)

            assert head.status_code == get.status_code, path
            assert head.content == b"", path
            assert head.headers.keys() - OF_EACH == get.headers.keys() - OF_EACH, path
            assert head.headers["Content-Type"] == get.headers["Content-Type"], path


async def test_the_document_describes_no_operation_twice(app: FastAPI) -> None:
    assert {each.method for each in operations(app.openapi())} <= {"get", "post", "put", "patch", "delete"}
