"""Where a redirect may lead, and what it takes along."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from app.core.exceptions import ExternalServiceError
from app.core.http import HttpClient, Method, create_http_client, fetch_with_timeout
from app.core.logging import log_context
from tests.servers.http import faulty_server, reply
from tests.unit.core.http.conftest import Authority

pytestmark = pytest.mark.anyio

CREDENTIALS: dict[str, str | SecretStr] = {
    "Authorization": "Bearer planted-token",
    "authorization-extra": "planted",
    "Cookie": "session=planted",
    "X-Api-Key": SecretStr("planted"),
}


@pytest.fixture(scope="module")
async def with_key() -> AsyncIterator[HttpClient]:
    client = create_http_client(user_agent="orders/1.2", headers={"X-Client-Key": SecretStr("planted")})
    yield client
    await client.close()


async def test_redirects_are_answers_unless_asked_for(http: HttpClient) -> None:
    async with faulty_server(reply(302, Location="/elsewhere")) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http, accept={302})

    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert len(server.requests) == 1


async def test_within_a_host_everything_is_taken_along(http: HttpClient) -> None:
    async with faulty_server(reply(307, Location="/b?x=1"), reply(body=b"there")) as server:
        answer = await fetch_with_timeout(
            "PUT",
            f"{server.url}/a",
            service="billing",
            client=http,
            max_redirects=1,
            headers=CREDENTIALS,
            content=b"new",
        )

    assert answer.body == b"there"
    second = server.requests[1]
    assert (second.method, second.target, second.body) == ("PUT", "/b?x=1", b"new")
    assert (second.headers["authorization"], second.headers["x-api-key"]) == ("Bearer planted-token", "planted")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_another_host_learns_no_credentials(status: int, with_key: HttpClient) -> None:
    async with (
        faulty_server(reply(body=b"stranger")) as stranger,
        faulty_server(reply(status, Location=f"{stranger.url}/b")) as server,
    ):
        answer = await fetch_with_timeout(
            "GET",
            server.url.replace("//", "//user:planted@"),
            service="billing",
            client=with_key,
            max_redirects=1,
            headers={**CREDENTIALS, "Accept": "text/plain"},
        )

    assert answer.body == b"stranger"
    assert server.requests[0].headers["x-client-key"] == "planted"
    [request] = stranger.requests
    assert "planted" not in str(request)
    assert request.headers.keys() == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert (request.headers["accept"], request.headers["host"]) == ("text/plain", stranger.authority)


async def test_the_way_back_does_not_return_them(http: HttpClient) -> None:
    """Whoever was in between chose where it ends."""
    async with faulty_server(reply()) as stranger, faulty_server(reply(302, Location=stranger.url), reply()) as server:
        stranger.answers = (reply(302, Location=f"{server.url}/chosen"),)
        await fetch_with_timeout(
            "GET", server.url, service="billing", client=http, max_redirects=2, headers=CREDENTIALS
        )
    assert server.requests[1].target == "/chosen"
    assert "planted" not in str(server.requests[1])


@pytest.mark.parametrize(("method", "body"), [("POST", b"new"), ("PUT", b"new"), ("DELETE", b""), ("GET", b"new")])
async def test_a_body_or_a_change_is_not_handed_to_another_host(method: Method, body: bytes, http: HttpClient) -> None:
    async with faulty_server(reply()) as stranger, faulty_server(reply(307, Location=stranger.url)) as server:
        with pytest.raises(ExternalServiceError, match="to another host"):
            await fetch_with_timeout(method, server.url, service="billing", client=http, max_redirects=3, content=body)
    assert stranger.requests == []


async def test_a_changed_method_drops_the_body(http: HttpClient) -> None:
    async with faulty_server(reply(303, Location="/done"), reply()) as server:
        await fetch_with_timeout("POST", server.url, service="billing", client=http, max_redirects=1, json={})

    assert (server.requests[1].method, server.requests[1].body) == ("GET", b"")
    assert "content-type" not in server.requests[1].headers


async def test_circles_end(http: HttpClient) -> None:
    async with faulty_server(reply(302, Location="/")) as server:
        with pytest.raises(ExternalServiceError, match="Redirected more than 4 times"):
            await fetch_with_timeout("GET", server.url, service="billing", client=http, max_redirects=4)
    assert len(server.requests) == 5


async def test_encryption_is_not_dropped(authority: Authority) -> None:
    client = create_http_client(ca_file=authority.file)
    async with (
        faulty_server(reply()) as plain,
        faulty_server(reply(302, Location=plain.url), tls=authority.server_context()) as server,
    ):
        with pytest.raises(ExternalServiceError, match="from https to http"):
            await fetch_with_timeout("GET", server.url, service="billing", client=client, max_redirects=3)
        await client.close()
    assert plain.requests == []


@pytest.mark.parametrize("location", ["ftp://files/", "javascript:alert(1)", "http://x:y/"])
async def test_a_location_that_leads_nowhere(location: str, http: HttpClient) -> None:
    async with faulty_server(reply(302, Location=location)) as server:
        with pytest.raises(ExternalServiceError):
            await fetch_with_timeout("GET", server.url, service="billing", client=http, max_redirects=3)
    assert len(server.requests) == 1


async def test_ids_of_the_request_are_for_hosts_of_ones_own() -> None:
    client = create_http_client(traced_hosts=("127.0.0.1",))
    async with (
        faulty_server(reply()) as stranger,
        faulty_server(reply(302, Location=stranger.url.replace("127.0.0.1", "localhost"))) as server,
    ):
        with log_context(request_id="request-1", trace_id="4bf92f3577b34da6a3ce929d0e0e4736"):
            await fetch_with_timeout("GET", server.url, service="billing", client=client, max_redirects=1)
            await fetch_with_timeout("GET", server.url, service="billing", client=client, accept={302})
        await fetch_with_timeout("GET", server.url, service="billing", client=client, accept={302})
        await client.close()

    first, second, outside = (each.headers for each in server.requests)
    assert first["x-request-id"] == "request-1"
    assert first["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    # Each call is a span of its own.
    assert first["traceparent"] != second["traceparent"]
    assert "x-request-id" not in outside
    assert "traceparent" not in outside
    assert not {"x-request-id", "traceparent"} & stranger.requests[0].headers.keys()
