"""The hosts that are answered, and the prefix that a proxy publishes the service under."""

import pytest
from fastapi import APIRouter, Response
from httpx import AsyncClient

from app.core.config import ApiSettings, ApplicationSettings
from tests.applications import running

pytestmark = pytest.mark.anyio


def with_api(settings: ApplicationSettings, **api: object) -> ApplicationSettings:
    return settings.model_copy(update={"api": ApiSettings.model_validate(api)})


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
    router = APIRouter()

    @router.post("/made")
    async def make(response: Response) -> None:
        response.headers["Location"] = "/made/1"

    async with running(with_api(settings, root_path="/shop"), router) as client:
        document = (await client.get(f"{arrives}/openapi.json")).json()
        page = await client.get(f"{arrives}/docs")
        made = await client.post(f"{arrives}/made")

    assert document["servers"] == [{"url": "/shop"}]
    assert not any(path.startswith("/shop/") for path in document["paths"])
    assert "/shop/openapi.json" in page.text
    assert made.headers["Location"] == "/shop/made/1"
