"""Certificates are verified, always."""

import asyncio
import ssl
import time
from pathlib import Path

import httpx
import pytest

from app.core.exceptions import ConfigurationError, ExternalServiceError, TimeoutError
from app.core.http import RetryConfig, create_http_client, fetch_with_retry, fetch_with_timeout
from tests.servers.http import faulty_server, hang, reply
from tests.unit.core.http.conftest import Authority

pytestmark = pytest.mark.anyio


async def test_fetch_with_retry_refuses_a_certificate_of_an_unknown_authority_at_once(
    authority: Authority, http: httpx.AsyncClient
) -> None:
    async with faulty_server(reply(), tls=authority.server_context()) as server:
        with pytest.raises(ExternalServiceError, match="The certificate was not accepted") as caught:
            await fetch_with_retry(
                "GET", server.url, service="billing", client=http, retry=RetryConfig(backoff_seconds=0.001)
            )
    assert isinstance(caught.value, ExternalServiceError)
    assert (server.requests, server.connections) == ([], 0)


async def test_create_http_client_trusts_an_authority_for_the_names_it_signed(authority: Authority) -> None:
    client = create_http_client(ca_file=authority.file)
    async with faulty_server(reply(body=b"ok"), tls=authority.server_context()) as server:
        assert (await fetch_with_timeout("GET", server.url, service="billing", client=client)).body == b"ok"
    async with faulty_server(reply(), tls=authority.server_context("other.example")) as server:
        with pytest.raises(ExternalServiceError, match="The certificate was not accepted"):
            await fetch_with_timeout("GET", server.url, service="billing", client=client)
        assert server.requests == []
    await client.aclose()


async def test_fetch_with_timeout_cuts_off_a_handshake_that_hangs() -> None:
    client = create_http_client(connect_timeout_seconds=0.05)
    async with faulty_server(hang()) as server:
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="No connection in time"):
            await fetch_with_timeout("GET", server.url.replace("http", "https"), service="billing", client=client)
        assert time.monotonic() - began < 0.5
        await client.aclose()


async def test_fetch_with_timeout_leaves_no_socket_of_a_handshake_that_hangs(http: httpx.AsyncClient) -> None:
    async with faulty_server(hang()) as server:
        with pytest.raises(TimeoutError, match="in time"):
            await fetch_with_timeout(
                "GET", server.url.replace("http", "https"), service="billing", client=http, timeout_seconds=1
            )
        async with asyncio.timeout(10):
            while server.open_connections:  # noqa: ASYNC110 — the server knows no event
                await asyncio.sleep(0.001)


async def test_fetch_with_timeout_sends_nothing_to_a_server_that_speaks_no_tls(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply()) as server:
        with pytest.raises((ExternalServiceError, TimeoutError)):
            await fetch_with_timeout(
                "GET", server.url.replace("http", "https"), service="billing", client=http, timeout_seconds=0.1
            )
    assert server.requests == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_create_http_client_names_a_file_without_authorities(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        create_http_client(ca_file=file)
    assert "HTTP_CLIENT_CA_FILE" in (caught.value.next_step or "")
    assert isinstance(caught.value.__cause__, OSError | ssl.SSLError)
