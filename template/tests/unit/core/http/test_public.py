"""`get_public_client`, for URLs that users chose: public addresses alone, looked up once."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.core.exceptions import ConfigurationError, ExternalServiceError
from app.core.http import (
    RetryConfig,
    create_http_client,
    fetch_stream,
    fetch_with_retry,
    fetch_with_timeout,
    public,
)
from tests.servers.http import faulty_server, reply
from tests.unit.core.http.conftest import Authority

pytestmark = pytest.mark.anyio

# Hosts as users may write them, all of which lead inside: loopback, private, link-local, unique-local, mapped,
# translated, shared, unspecified, multicast, and metadata services.
INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "0.0.0.0", "0", "[::1]", "[::]",  # noqa: S104 — called, not bound
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.0.1", "169.254.169.254", "[fe80::1]",
    "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "[ff02::1]",
    "240.0.0.1", "255.255.255.255", "203.0.113.1", "[2001:db8::1]",
]  # fmt: skip


@pytest.fixture
async def client() -> Any:
    client = create_http_client(public_only=True, connect_timeout_seconds=1)
    yield client
    await client.aclose()


@pytest.mark.parametrize("host", INSIDE)
async def test_the_public_client_calls_no_address_inside(
    host: str, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []
    monkeypatch.setattr("anyio.connect_tcp", lambda *arguments, **_: connected.append(arguments))
    for scheme in ("http", "https"):
        with pytest.raises(ExternalServiceError, match=r"not a public one|malformed|Cannot be reached"):
            await fetch_with_timeout("POST", f"{scheme}://{host}/hook", service="webhook", client=client, json={})
    assert connected == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/", "//example.com/", "http:///x"])
async def test_the_public_client_calls_no_other_scheme(url: str, client: httpx.AsyncClient) -> None:
    with pytest.raises(ExternalServiceError):
        await fetch_with_timeout("GET", url, service="webhook", client=client)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_is_public_accepts_public_addresses(address: str) -> None:
    assert public.is_public(address)


class Names:
    """A resolver that answers each look-up with the next of its addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def getaddrinfo(self, host: str, port: int | None, **_: object) -> list[Any]:
        self.asked.append(host)
        addresses = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Names:
    names = Names(*answers)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
    return names


async def test_the_public_client_calls_no_host_with_one_address_inside(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(ExternalServiceError, match="not a public one"):
        await fetch_with_timeout("GET", "http://hooks.example/", service="webhook", client=client)


async def test_the_public_client_calls_the_address_that_was_checked(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name that the user gave: to the certificate and to the server. The test's server counts as public."""
    client = create_http_client(public_only=True, ca_file=authority.file)
    monkeypatch.setattr(public, "is_public", lambda address: address == "127.0.0.1")
    async with (
        faulty_server(reply(200, b"plain")) as plain,
        faulty_server(reply(200, b"secure"), tls=authority.server_context("hooks.example")) as secure,
        faulty_server(reply(200, b"other"), tls=authority.server_context("other.example")) as other,
    ):
        # A second look-up, as with DNS rebinding, would lead elsewhere.
        for server, body in ((plain, b"plain"), (secure, b"secure")):
            names = resolve(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
            url = server.url.replace("127.0.0.1", "hooks.example") + "/a?b=c"
            answer = await fetch_with_timeout("POST", url, service="webhook", client=client, json={})
            assert (answer.body, names.asked) == (body, ["hooks.example"])
            assert server.requests[0].target == "/a?b=c"
            assert server.requests[0].headers["host"] == f"hooks.example:{server.port}"
        resolve(monkeypatch, ["127.0.0.1"])
        with pytest.raises(ExternalServiceError, match="certificate"):
            await fetch_with_timeout(
                "POST", other.url.replace("127.0.0.1", "hooks.example"), service="webhook", client=client
            )
        await client.aclose()


async def test_the_public_client_looks_the_host_up_for_each_attempt(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "is_public", lambda address: address == "127.0.0.1")
    async with faulty_server(reply(503)) as server:
        names = resolve(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"])
        url = server.url.replace("127.0.0.1", "hooks.example")
        retry = RetryConfig(attempts=5, backoff_seconds=0.001)
        with pytest.raises(ExternalServiceError, match="not a public one"):
            await fetch_with_retry("GET", url, service="webhook", client=client, retry=retry)
        with pytest.raises(ExternalServiceError, match="not a public one"):
            async with fetch_stream("GET", url, service="webhook", client=client):
                pytest.fail("it was called")
    assert (len(server.requests), server.connections, len(names.asked)) == (2, 2, 4)


def test_create_http_client_refuses_to_leave_the_check_to_a_proxy() -> None:
    with pytest.raises(ConfigurationError, match="HTTP_CLIENT_PROXY_URL"):
        create_http_client(public_only=True, proxy_url=SecretStr("http://proxy.example"))
