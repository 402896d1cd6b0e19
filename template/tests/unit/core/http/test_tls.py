"""Certificates are verified, always."""

import asyncio
import ssl
import time
from pathlib import Path

import pytest

from app.core.exceptions import ConfigurationError, ExternalServiceError, TimeoutError
from app.core.http import HttpClient, RetryConfig, create_http_client, fetch_with_retry, fetch_with_timeout
from tests.servers.http import faulty_server, hang, reply
from tests.unit.core.http.conftest import Authority

pytestmark = pytest.mark.anyio


async def test_a_certificate_of_an_unknown_authority_is_refused_and_not_tried_again(
    authority: Authority, http: HttpClient
) -> None:
    async with faulty_server(reply(), tls=authority.server_context()) as server:
        with pytest.raises(ExternalServiceError, match="The certificate was not accepted") as caught:
            await fetch_with_retry(
                "GET", server.url, service="billing", client=http, retry=RetryConfig(backoff_base_seconds=0.001)
            )
    assert isinstance(caught.value, ExternalServiceError)
    assert (server.requests, server.connections) == ([], 0)


async def test_an_authority_of_ones_own_is_trusted_for_the_names_it_signed(authority: Authority) -> None:
    client = create_http_client(ca_file=authority.file)
    async with faulty_server(reply(body=b"ok"), tls=authority.server_context()) as server:
        assert (await fetch_with_timeout("GET", server.url, service="billing", client=client)).body == b"ok"
    async with faulty_server(reply(), tls=authority.server_context("other.example")) as server:
        with pytest.raises(ExternalServiceError, match="The certificate was not accepted"):
            await fetch_with_timeout("GET", server.url, service="billing", client=client)
        assert server.requests == []
    await client.close()


async def test_a_handshake_that_takes_for_ever_is_cut_off() -> None:
    client = create_http_client(connect_timeout_seconds=0.05)
    async with faulty_server(hang()) as server:
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="No connection in time"):
            await fetch_with_timeout("GET", server.url.replace("http", "https"), service="billing", client=client)
        assert time.monotonic() - began < 0.5
        await client.close()


async def test_a_handshake_that_the_total_time_ends_leaves_no_socket(http: HttpClient) -> None:
    async with faulty_server(hang()) as server:
        with pytest.raises(TimeoutError, match="No complete answer"):
            await fetch_with_timeout(
                "GET", server.url.replace("http", "https"), service="billing", client=http, timeout_seconds=0.05
            )
        async with asyncio.timeout(1):
            while server.open_connections:  # noqa: ASYNC110 — the server knows no event
                await asyncio.sleep(0.001)


async def test_a_server_that_speaks_no_tls(http: HttpClient) -> None:
    async with faulty_server(reply()) as server:
        with pytest.raises((ExternalServiceError, TimeoutError)):
            await fetch_with_timeout(
                "GET", server.url.replace("http", "https"), service="billing", client=http, timeout_seconds=0.1
            )
    assert server.requests == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_file_without_authorities_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_bytes(content)
    client = create_http_client(ca_file=str(file))

    with pytest.raises(ConfigurationError) as caught:
        await fetch_with_timeout("GET", "https://127.0.0.1:1", service="billing", client=client)
    assert "HTTP_CLIENT_CA_FILE" in (caught.value.next_step or "")
    assert isinstance(caught.value.__cause__, OSError | ssl.SSLError)
