"""The one door to httpx: a pool of connections, and an exchange over it with every limit in place."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, cast

import httpcore
import httpx
from pydantic import SecretStr

from app.core.http.body import ACCEPT_ENCODING, BodyRefused, read_body
from app.core.http.failures import translate
from app.core.http.request import Headers, HttpRequest
from app.core.http.response import HttpResponse
from app.core.http.tracing import tracing_headers
from app.core.tls import make_tls_context

# Servers commonly keep an idle connection for 5 s or more (uvicorn, Node.js: 5 s); letting go first loses no request
# to a connection that the other side is just closing.
_KEEPALIVE_SECONDS: Final = 4.0
# What may be told to a host that somebody else named.
_HARMLESS: Final = frozenset({"accept", "accept-language"})
_READ_ONLY: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, kw_only=True)
class _Hop:
    """One of the requests that an exchange consists of."""

    method: str
    url: httpx.URL
    headers: Headers
    content: bytes | None


class Pool:
    """An open httpx client. Arguments are those of `create_http_client`."""

    def __init__(
        self,
        *,
        user_agent: str,
        max_connections: int,
        connect_timeout_seconds: float,
        ca_file: str | None,
        proxy_url: SecretStr | None,
        traced_hosts: tuple[str, ...],
    ) -> None:
        self._traced_hosts = traced_hosts
        self._client = httpx.AsyncClient(
            verify=make_tls_context(ca_file),
            # Nothing of the environment: SSL_CERT_FILE, HTTP_PROXY and their like are settings here.
            trust_env=False,
            proxy=proxy_url.get_secret_value() if proxy_url else None,
            limits=httpx.Limits(max_connections=max_connections, keepalive_expiry=_KEEPALIVE_SECONDS),
            # The rest is bounded as a whole by `exchange`: a limit on each read never ends a trickle.
            timeout=httpx.Timeout(None, connect=connect_timeout_seconds),
            # One user's cookie must not go out with the next one's request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"User-Agent": user_agent, "Accept-Encoding": ACCEPT_ENCODING},
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def exchange(self, request: HttpRequest, *, max_bytes: int) -> HttpResponse:
        """Send a request, follow what it allows, read the answer.

        Args:
            request: With the headers of the client in it, their names in lower case.
            max_bytes: How large the answer's body may be.

        Raises:
            ExternalConnectionError: No connection, or a broken one.
            ExternalServiceError: The answer is not one this client takes, or the request cannot be sent.
            TimeoutError: It took longer than the request allows.
        """
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await self._follow(request, max_bytes)
        except (httpx.HTTPError, httpx.InvalidURL, BodyRefused, OSError, UnicodeError) as err:
            failure, cause = translate(request, err)
        # Outside of the handler: there, the original would stay attached as the context.
        raise failure from cause

    async def _follow(self, request: HttpRequest, max_bytes: int) -> HttpResponse:
        url = httpx.URL(request.url)
        if request.params:
            url = url.copy_merge_params(request.params)
        hop = _Hop(method=request.method, url=url, headers=request.headers, content=request.content)
        for left in range(request.max_redirects, -1, -1):
            headers = {name: _opened(value) for name, value in hop.headers.items()}
            headers.update(tracing_headers(hop.url.host, self._traced_hosts))
            response = await self._send(hop, headers)
            try:
                if response.next_request is None or request.max_redirects == 0:
                    return await _answer(request, response, max_bytes)
                if left:
                    hop = _next_hop(hop, response.next_request)
            finally:
                await response.aclose()
        raise BodyRefused(f"Redirected more than {request.max_redirects} times.")

    async def _send(self, hop: _Hop, headers: dict[str, str]) -> httpx.Response:
        opened: list[httpcore.AsyncNetworkStream] = []

        async def note(event: str, info: Mapping[str, Any]) -> None:
            if event == "connection.connect_tcp.complete":
                opened.append(info["return_value"])

        request = self._client.build_request(
            hop.method, hop.url, headers=headers, content=hop.content, extensions={"trace": note}
        )
        try:
            return await self._client.send(request, stream=True)
        except BaseException:
            # httpcore 1.0 forgets the socket of a TLS handshake that is cancelled: it would stay for as long as the
            # other side hangs.
            for stream in opened:
                await stream.aclose()
            raise


async def _answer(request: HttpRequest, response: httpx.Response, max_bytes: int) -> HttpResponse:
    # Not aiter_raw(): that gives the connection back to the pool before one can look at it.
    chunks = cast("httpx.AsyncByteStream", response.stream)
    encoding = response.headers.get("content-encoding", "")
    body = await read_body(aiter(chunks), encoding=encoding, max_bytes=max_bytes)
    if not _is_reusable(response):
        await response.extensions["network_stream"].aclose()
    return HttpResponse(service=request.service, status=response.status_code, headers=dict(response.headers), body=body)


def _is_reusable(response: httpx.Response) -> bool:
    """Whether the connection holds nothing that came after the answer.

    A server that sends more than it announced would otherwise answer the next question, somebody else's, before it
    was asked: httpcore 1.0 keeps what it has read. There is no public way to see it; should the private one change,
    no connection counts as reusable, which is slow and safe, and a test of reuse fails.
    """
    found: object = response
    for name in ("stream", "_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state", "trailing_data"):
        found = getattr(found, name, None)
    return found == (b"", False)


def _next_hop(hop: _Hop, following: httpx.Request) -> _Hop:
    """Where a redirect leads.

    Raises:
        BodyRefused: Not there: it would drop the encryption, or hand what was sent to a host of another's choice.
    """
    method, url = following.method, following.url
    content, headers = hop.content, hop.headers
    if method != hop.method:
        content = None
        headers = {name: value for name, value in headers.items() if not name.startswith("content-")}
    if (hop.url.scheme, url.scheme) == ("https", "http"):
        raise BodyRefused("Redirected from https to http.")
    if (url.scheme, url.host, _port(url)) == (hop.url.scheme, hop.url.host, _port(hop.url)):
        return _Hop(method=method, url=url, headers=headers, content=content)
    if method not in _READ_ONLY or content is not None:
        raise BodyRefused("Redirected a request that changes something to another host.")
    # Any header may be a credential, Authorization being only the best known: let nothing through but the harmless.
    harmless = {name: value for name, value in headers.items() if name in _HARMLESS}
    return _Hop(method=method, url=url, headers=harmless, content=None)


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _opened(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
