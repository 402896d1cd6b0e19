"""A pool of connections, and calls over it with every limit in place.

httpx is used here and nowhere else, and loaded with the first call: with the certificates it takes 0.1 s.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, TypeVar

from pydantic import BaseModel, JsonValue, SecretStr
from pydantic_core import to_json

from app.core.exceptions import ConfigurationError
from app.core.http.answers import ACCEPT_ENCODING, AnswerRefused, HttpStream, unpack
from app.core.http.failures import without_quotes
from app.core.http.public import public_address
from app.core.logging import current_request_id, current_trace_id, get_logger
from app.core.tls import make_tls_context

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
Headers = Mapping[str, str | SecretStr]

logger = get_logger(__name__)

# Seconds for a whole call, from the first byte out to the last byte in.
DEFAULT_TIMEOUT: Final = 30.0
# Servers commonly keep an idle connection for 5 s or more (uvicorn, Node.js: 5 s); letting go first loses no request
# to a connection that the other side is just closing.
_KEEPALIVE_SECONDS: Final = 4.0
# The headers that a host may be told which another host named; any other may be a credential.
_HARMLESS: Final = frozenset({"accept", "accept-language"})


class RequestOptions(TypedDict, total=False):
    """The options of a call, beside method, URL and service.

    Attributes:
        headers: For this call, over the client's own. A SecretStr is opened when it is sent.
        params: Added to the URL's query.
        json: The body, with its content type.
        content: The body as bytes; give its Content-Type in the headers. Not together with json.
        accept: The statuses that are answers; any other is an ExternalServiceError. 200 to 299 unless given.
        timeout_seconds: For the whole call, its redirects included; DEFAULT_TIMEOUT unless given.
        max_redirects: The number that is followed; none unless given. Another host gets no headers of the call, and
            never a body; https never becomes http.
        max_response_bytes: The size of the answer at most, once decompressed; the client's limit unless given.
    """

    headers: Headers
    params: Mapping[str, str | int | float | bool]
    json: JsonValue | BaseModel
    content: bytes
    accept: Container[int]
    timeout_seconds: float
    max_redirects: int
    max_response_bytes: int


class HttpClient:
    """A client of one's own, to be closed by its maker; most code uses the process's, `get_http_client()`.

    It belongs to one event loop. Nothing is connected before the first call.

    Args:
        user_agent: The name this service introduces itself by, as name/version.
        headers: Sent with every call: an API key makes this the client of one service. Redirects take none of them
            to another host.
        max_connections: The most at once, over all hosts; further calls wait their turn within their timeout.
        max_response_bytes: The size of an answer at most, once decompressed: generous for JSON.
        connect_timeout_seconds: For opening a connection, its TLS included: long enough for a lost packet or two
            (TCP repeats the first after 1 s, then 2 s: RFC 6298).
        ca_file: Certificate authorities, PEM, that are trusted beside the public ones.
        proxy_url: The proxy every call goes through; may hold a name and a password.
        traced_hosts: Hosts of one's own that are told the current request's id; ".internal" stands for all below.
        public_only: Call public addresses alone, for URLs that users chose. A name is looked up once, and the address
            that was checked is the one that is connected to; redirects are not followed.
    """

    def __init__(
        self,
        *,
        user_agent: str = "app",
        headers: Headers | None = None,
        max_connections: int = 100,
        max_response_bytes: int = 10 * 1024 * 1024,
        connect_timeout_seconds: float = 5.0,
        ca_file: str | None = None,
        proxy_url: SecretStr | None = None,
        traced_hosts: Sequence[str] = (),
        public_only: bool = False,
    ) -> None:
        self._user_agent = user_agent
        self._headers = headers or {}
        self._max_connections = max_connections
        self._max_response_bytes = max_response_bytes
        self._connect_timeout_seconds = connect_timeout_seconds
        self._ca_file = ca_file
        self._proxy_url = proxy_url
        self._traced_hosts = traced_hosts
        self._public_only = public_only
        self._opening = asyncio.Lock()
        self._opened: httpx.AsyncClient | None = None
        self._closed = False

    @asynccontextmanager
    async def stream(
        self, method: Method, url: str, service: str, options: RequestOptions, *, total_seconds: float
    ) -> AsyncIterator[HttpStream]:
        """Send a call and read its answer, of whatever status, in pieces; see `fetch_stream`."""
        began, outcome = time.monotonic(), "failed"
        each_seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)

        async def bounded(step: Awaitable[T]) -> T:
            left = min(each_seconds, began + total_seconds - time.monotonic())
            return await without_quotes(step, service, method, left, min(each_seconds, total_seconds))

        response = None
        try:
            response = await bounded(self._follow(method, url, options))
            outcome = str(response.status_code)
            encoding = response.headers.get("content-encoding", "")
            limit = options.get("max_response_bytes", self._max_response_bytes)
            ahead = unpack(response.aiter_raw(), encoding=encoding, max_bytes=limit)

            async def pieces() -> AsyncIterator[bytes]:
                while piece := await bounded(anext(ahead, b"")):
                    yield piece

            headers = dict(response.headers)
            yield HttpStream(service=service, status=response.status_code, headers=headers, pieces=pieces())
        finally:
            if response is not None:
                await response.aclose()
            # No URL: paths hold keys, too, those of incoming webhooks for instance.
            took = round((time.monotonic() - began) * 1000, 2)
            logger.debug("http call", service=service, method=method, outcome=outcome, duration_ms=took)

    async def close(self) -> None:
        """Close every connection; calls under way fail, and so does every later one."""
        self._closed = True
        if self._opened is not None:
            await self._opened.aclose()

    async def _follow(self, method: str, url: str, options: RequestOptions) -> "httpx.Response":
        client = await self._client()
        # Names of headers have no case: two spellings of one would both be sent.
        given = {
            name.lower(): value for each in (self._headers, options.get("headers", {})) for name, value in each.items()
        }
        headers = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()
        }
        content = options.get("content")
        if "json" in options:
            body = options["json"]
            content = body.model_dump_json().encode() if isinstance(body, BaseModel) else to_json(body)
            headers.setdefault("content-type", "application/json")
        request = client.build_request(method, url)
        if params := options.get("params"):
            # Not `params=` above: that would replace the URL's own query.
            request.url = request.url.copy_merge_params(dict(params))
        redirects = 0 if self._public_only else options.get("max_redirects", 0)
        for left in range(redirects, -1, -1):
            response = await self._send(client, request.method, request.url, headers, content)
            if response.next_request is None or redirects == 0:
                return response
            await response.aclose()
            before, request = request, response.next_request
            if request.method != before.method:
                content = None
                headers = {name: each for name, each in headers.items() if not name.startswith("content-")}
            if left and _leaves(before.url, request.url):
                if request.method not in {"GET", "HEAD"} or content is not None:
                    raise AnswerRefused("Redirected a request that changes something to another host.")
                headers = {name: each for name, each in headers.items() if name in _HARMLESS}
        raise AnswerRefused(f"Redirected more than {redirects} times.")

    async def _send(
        self, client: "httpx.AsyncClient", method: str, url: "httpx.URL", headers: dict[str, str], content: bytes | None
    ) -> "httpx.Response":
        streams: list[Any] = []

        async def note(event: str, info: Mapping[str, Any]) -> None:
            if event == "connection.connect_tcp.complete":
                streams.append(info["return_value"])

        extensions: dict[str, Any] = {"trace": note}
        headers = headers | self._tracing(url.host)
        if self._public_only:
            headers["host"], extensions["sni_hostname"] = url.netloc.decode("ascii"), url.raw_host.decode("ascii")
            url = url.copy_with(host=await public_address(url.host))
        request = client.build_request(method, url, headers=headers, content=content, extensions=extensions)
        try:
            return await client.send(request, stream=True)
        except BaseException:
            # httpcore 1.0 forgets the socket of a TLS handshake that is cancelled: it would stay for as long as the
            # other side hangs.
            for stream in streams:
                await stream.aclose()
            raise

    def _tracing(self, host: str) -> dict[str, str]:
        """Return the current request's ids, for hosts of one's own: other companies could join what each knows."""
        if not any(host == each or (each.startswith(".") and host.endswith(each)) for each in self._traced_hosts):
            return {}
        request_id, trace_id = current_request_id(), current_trace_id()
        # W3C Trace Context, 3.2: version, trace, this call, and no flags: nothing here records spans.
        trace = f"00-{trace_id}-{secrets.token_hex(8)}-00" if trace_id else None
        return {name: value for name, value in (("x-request-id", request_id), ("traceparent", trace)) if value}

    async def _client(self) -> "httpx.AsyncClient":
        if self._closed:
            raise ConfigurationError(
                "The HTTP client is closed.", next_step="Make calls while the process that it belongs to is open."
            )
        if self._public_only and self._proxy_url is not None:
            raise ConfigurationError(
                "A URL that a user chose cannot be checked here: HTTP_CLIENT_PROXY_URL is set, and the proxy connects.",
                next_step="Unset it, or call through a proxy that refuses private addresses, by a client of its own.",
            )
        async with self._opening:
            if self._opened is None:
                # No other request waits while this loads.
                self._opened = await asyncio.to_thread(self._open)
            return self._opened

    def _open(self) -> "httpx.AsyncClient":
        import httpx  # noqa: PLC0415

        return httpx.AsyncClient(
            verify=make_tls_context(self._ca_file),
            # Nothing of the environment: SSL_CERT_FILE, HTTP_PROXY and their like are settings here.
            trust_env=False,
            proxy=self._proxy_url.get_secret_value() if self._proxy_url else None,
            limits=httpx.Limits(
                max_connections=self._max_connections,
                # A connection is kept by its address, where the next name may be another owner's.
                max_keepalive_connections=0 if self._public_only else None,
                keepalive_expiry=_KEEPALIVE_SECONDS,
            ),
            # The rest is bounded as a whole: a limit on each read never ends a trickle.
            timeout=httpx.Timeout(None, connect=self._connect_timeout_seconds),
            # One user's cookie must not go out with the next one's request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": ACCEPT_ENCODING},
        )


create_http_client: Final = HttpClient


def _leaves(before: "httpx.URL", after: "httpx.URL") -> bool:
    """Return whether a redirect leads to another host; AnswerRefused where it would drop the encryption."""
    if (before.scheme, after.scheme) == ("https", "http"):
        raise AnswerRefused("Redirected from https to http.")
    ports = {"http": 80, "https": 443}
    here, there = ((url.scheme, url.host, url.port or ports.get(url.scheme)) for url in (before, after))
    return here != there
