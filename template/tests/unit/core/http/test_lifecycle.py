"""`create_http_client` and the process's clients: nothing is loaded or connected before the first call."""

import asyncio
import subprocess
import sys

import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from app.core.config import HttpClientSettings
from app.core.exceptions import ExternalServiceError
from app.core.http import (
    create_http_client,
    fetch_with_retry,
    fetch_with_timeout,
)
from app.wiring import DISTRIBUTION
from tests.servers.http import faulty_server, hang, reply

pytestmark = pytest.mark.anyio


async def test_get_http_client_introduces_the_application_by_its_name(app: FastAPI) -> None:
    async with faulty_server(reply()) as server:
        await fetch_with_timeout("GET", server.url, service="billing")
        await fetch_with_retry("GET", server.url, service="billing")

    assert server.connections == 1
    assert server.requests[0].headers["user-agent"].startswith(f"{DISTRIBUTION}/")


@pytest.mark.process
def test_http_clients_load_nothing_before_the_first_use() -> None:
    """In a process of its own, since this one's client belongs to the application under test."""
    program = """
import asyncio, sys
from app.core.config import HttpClientSettings
from app.core.http import HttpClients, get_http_client, get_public_client
from app.core.process import open_process

async def live():
    clients = HttpClients(HttpClientSettings(), user_agent="x/1")
    async with open_process() as process:
        process.add(clients, close=clients.close)
        assert "httpx" not in sys.modules, "httpx was loaded without a call"
        assert get_http_client() is get_http_client()
        assert get_http_client() is not get_public_client()

asyncio.run(live())
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


async def test_closing_a_client_ends_the_calls_under_way() -> None:
    client = create_http_client()
    async with faulty_server(hang()) as server:
        under_way = asyncio.create_task(fetch_with_timeout("GET", server.url, service="billing", client=client))
        while not server.requests:  # noqa: ASYNC110 — the server knows no event
            await asyncio.sleep(0.001)
        await client.aclose()
        with pytest.raises(ExternalServiceError):
            await asyncio.wait_for(under_way, 1)
    assert len(server.requests) == 1


async def test_create_http_client_bounds_the_connections() -> None:
    client = create_http_client(max_connections=3)
    async with faulty_server(reply()) as server:
        await asyncio.gather(
            *(fetch_with_timeout("GET", server.url, service="billing", client=client) for _ in range(30))
        )
        assert len(server.requests) == 30
        assert server.connections <= 3
        await client.aclose()


async def test_create_http_client_calls_through_the_proxy() -> None:
    async with faulty_server(reply(body=b"by proxy")) as proxy:
        settings = HttpClientSettings(proxy_url=SecretStr(proxy.url.replace("//", "//me:key@")))
        client = create_http_client(proxy_url=settings.proxy_url)
        answer = await fetch_with_timeout("GET", "http://far.example/x", service="billing", client=client)
        await client.aclose()

    assert answer.body == b"by proxy"
    assert proxy.requests[0].target == "http://far.example/x"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6a2V5"


async def test_create_http_client_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with faulty_server(reply()) as proxy, faulty_server(reply()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        client = create_http_client()
        await fetch_with_timeout("GET", server.url, service="billing", client=client)
        await client.aclose()
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


@pytest.mark.parametrize("wrong", [{"proxy_url": "socks5://x"}, {"ca_file": "/nowhere/at/all.pem"}])
def test_http_client_settings_refuse_what_cannot_be_used(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HttpClientSettings.model_validate(wrong)
