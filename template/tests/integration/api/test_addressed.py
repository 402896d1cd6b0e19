"""Behind a proxy: which hosts are answered, and the prefix the service is published under."""

import pytest
from fastapi import APIRouter, Response
from httpx import AsyncClient

from app.core.config import ApiSettings, ApplicationSettings
from tests.applications import running
from tests.factories import PASSWORD

pytestmark = pytest.mark.anyio


def with_api(settings: ApplicationSettings, **api: object) -> ApplicationSettings:
    return settings.model_copy(update={"api": ApiSettings.model_validate(api)})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 401),
        ("API.example.com:8443", 401),
        ("a.b.example.org", 401),
        ("[::1]:8000", 401),
        ("example.org", 421),
        ("evil.example", 421),
        ("api.example.com.evil.example", 421),
        ("evilapi.example.com", 421),
        ("10.0.0.7:8000", 421),
    ],
)
async def test_allowed_hosts_answer_and_others_do_not(host: str, status: int, settings: ApplicationSettings) -> None:
    hosts = "api.example.com, *.Example.org,[::1]"
    async with running(with_api(settings, allowed_hosts=hosts)) as client:
        answer = await client.get("/api/v1/users/me", headers={"Host": host})
        probe = await client.get("/api/v1/health/ready", headers={"Host": host})

    assert (answer.status_code, probe.status_code) == (status, 200)
    assert answer.headers["Content-Type"] == "application/problem+json"
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
async def test_prefix_is_part_of_every_address(arrives: str, settings: ApplicationSettings) -> None:
    async with running(with_api(settings, root_path="/shop")) as client:
        document = (await client.get(f"{arrives}/openapi.json")).json()
        page = await client.get(f"{arrives}/docs")
        credentials = {"email": f"prefix{len(arrives)}@example.com", "password": PASSWORD}
        created = await client.post(f"{arrives}/api/v1/auth/register", json=credentials)
        again = (await client.get(f"{arrives}/openapi.json")).json()

    assert document["servers"] == again["servers"] == [{"url": "/shop"}]
    assert not any(path.startswith("/shop/") for path in document["paths"])
    assert "'/shop/openapi.json'" in page.text or '"/shop/openapi.json"' in page.text
    assert created.status_code == 201
    assert created.headers.get("Location", "/shop/").startswith("/shop/")


@pytest.mark.parametrize("arrives", ["", "/shop"], ids=["stripped", "whole"])
async def test_location_has_the_prefix_once(arrives: str, settings: ApplicationSettings) -> None:
    router = APIRouter()

    @router.post("/made")
    async def make(response: Response) -> None:
        response.headers["Location"] = "/made/1"

    async with running(with_api(settings, root_path="/shop"), router) as client:
        answer = await client.post(f"{arrives}/made")

    assert answer.headers["Location"] == "/shop/made/1"
