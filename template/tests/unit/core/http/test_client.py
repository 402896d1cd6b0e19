"""The pools: nothing is loaded before the first call, certificates count, and users' URLs lead to public addresses."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.exceptions import ExternalServiceError
from app.core.http import client as guard
from app.core.http import create_http_client, fetch_stream, fetch_with_timeout, get_http_client, get_public_client
from tests.servers.http import faulty_server, reply
from tests.unit.core.http.conftest import Authority

pytestmark = pytest.mark.anyio

# Hosts as users may write them, all of which lead inside: loopback, private, link-local, unique-local, mapped,
# translated, shared, unspecified, multicast, and metadata services.
INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "0.0.0.0", "[::1]", "[::]",  # noqa: S104 — called, not bound
    "10.0.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[fec0::1]",
    "[::ffff:10.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "[ff02::1]", "240.0.0.1", "[2001:db8::1]",
]  # fmt: skip


async def test_get_http_client_is_one_for_all_calls_of_the_process(app: FastAPI) -> None:
    async with faulty_server(reply()) as server:
        for _ in range(2):
            await fetch_with_timeout("GET", server.url, service="billing")

    assert server.connections == 1
    assert get_http_client() is get_http_client()
    assert get_http_client() is not get_public_client()


async def test_create_http_client_keeps_no_cookie_for_the_next_caller(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(Set_Cookie="session=alice"), reply()) as server:
        for _ in range(2):
            await fetch_with_timeout("GET", server.url, service="billing", client=http)
    assert all("cookie" not in each.headers for each in server.requests)


async def test_create_http_client_verifies_certificates_and_their_names(
    authority: Authority, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.file)
    async with (
        create_http_client() as trusting,
        faulty_server(reply(body=b"ok"), tls=authority.server_context()) as server,
        faulty_server(reply(), tls=authority.server_context("other.example")) as other,
    ):
        assert (await fetch_with_timeout("GET", server.url, service="billing", client=trusting)).body == b"ok"
        for client, url in ((http, server.url), (trusting, other.url)):
            with pytest.raises(ExternalServiceError, match="The certificate was not accepted"):
                await fetch_with_timeout("GET", url, service="billing", client=client)
        assert (len(server.requests), other.requests) == (1, [])


@pytest.mark.parametrize("host", INSIDE)
async def test_the_public_client_calls_no_address_inside(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    monkeypatch.setattr("anyio.connect_tcp", lambda *arguments, **_: connected.append(arguments))
    async with create_http_client(public_only=True) as client:
        for scheme in ("http", "https"):
            with pytest.raises(ExternalServiceError, match=r"not public|No connection"):
                await fetch_with_timeout("POST", f"{scheme}://{host}/hook", service="webhook", client=client, json={})
    assert connected == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_is_public_accepts_public_addresses(address: str) -> None:
    assert guard.is_public(address)


class Names:
    """A resolver that answers each look-up with the next of its addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int | None, **_: object) -> list[Any]:
        self.asked.append(host)
        addresses = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]


async def test_the_public_client_calls_no_host_with_one_address_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    async with create_http_client(public_only=True) as client:
        with pytest.raises(ExternalServiceError, match="not public"):
            await fetch_with_timeout("GET", "http://hooks.example/", service="webhook", client=client)


async def test_the_public_client_calls_the_address_that_was_checked(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name that the user gave: to the certificate and to the server. The test's server counts as public."""
    monkeypatch.setattr("certifi.where", lambda: authority.file)
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    async with (
        create_http_client(public_only=True) as client,
        faulty_server(reply(200, b"plain")) as plain,
        faulty_server(reply(200, b"secure"), tls=authority.server_context("hooks.example")) as secure,
        faulty_server(reply(200, b"other"), tls=authority.server_context("other.example")) as other,
    ):
        # A second look-up, as with DNS rebinding, would lead elsewhere.
        for server, body in ((plain, b"plain"), (secure, b"secure")):
            names = Names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
            url = server.url.replace("127.0.0.1", "hooks.example") + "/a?b=c"
            answer = await fetch_with_timeout("POST", url, service="webhook", client=client, json={})
            assert (answer.body, names.asked) == (body, ["hooks.example"])
            assert server.requests[0].target == "/a?b=c"
            assert server.requests[0].headers["host"] == f"hooks.example:{server.port}"
        Names(monkeypatch, ["127.0.0.1"])
        url = other.url.replace("127.0.0.1", "hooks.example")
        with pytest.raises(ExternalServiceError, match="certificate"):
            await fetch_with_timeout("POST", url, service="webhook", client=client)


async def test_the_public_client_looks_the_host_up_for_each_call_and_unpacks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with (
        create_http_client(public_only=True) as client,
        faulty_server(reply(), reply(body=b"x", Content_Encoding="gzip")) as server,
    ):
        names = Names(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"])
        url = server.url.replace("127.0.0.1", "hooks.example")
        await fetch_with_timeout("GET", url, service="webhook", client=client)
        with pytest.raises(ExternalServiceError, match="not asked for"):
            await fetch_with_timeout("GET", url, service="webhook", client=client)
        with pytest.raises(ExternalServiceError, match="not public"):
            async with fetch_stream("GET", url, service="webhook", client=client):
                pytest.fail("it was called")
    assert (len(server.requests), server.connections, len(names.asked)) == (2, 2, 3)
