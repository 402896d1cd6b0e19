"""A client: its own headers and limits over a pool that is opened with the first call."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from app.core.exceptions import AppException, ConfigurationError
from app.core.http.request import Headers, HttpRequest
from app.core.http.response import HttpResponse
from app.core.logging import get_logger

if TYPE_CHECKING:
    from app.core.http.pool import Pool

logger = get_logger(__name__)

DEFAULT_MAX_CONNECTIONS: Final = 100
# Generous for JSON, and 100 of them at once still fit into a small container.
DEFAULT_MAX_RESPONSE_BYTES: Final = 10 * 1024 * 1024
# Long enough for a lost packet or two (TCP repeats the first after 1 s, then 2 s: RFC 6298).
DEFAULT_CONNECT_TIMEOUT: Final = 5.0


class HttpClient:
    """See `create_http_client`. One event loop's: a client is not shared between threads."""

    def __init__(
        self,
        *,
        user_agent: str,
        headers: Headers,
        max_connections: int,
        max_response_bytes: int,
        connect_timeout_seconds: float,
        ca_file: str | None,
        proxy_url: SecretStr | None,
        traced_hosts: Sequence[str],
    ) -> None:
        self._user_agent = user_agent
        self._headers = headers
        self._max_connections = max_connections
        self._max_response_bytes = max_response_bytes
        self._connect_timeout_seconds = connect_timeout_seconds
        self._ca_file = ca_file
        self._proxy_url = proxy_url
        self._traced_hosts = tuple(traced_hosts)
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Send one request and read its answer; `fetch_with_timeout` and `fetch_with_retry` are the ways to it.

        Raises:
            ConfigurationError: The client is closed.
            ExternalServiceError: See `fetch_with_timeout`.
            TimeoutError: It took longer than the request allows.
        """
        began = time.perf_counter()
        outcome: int | str = "cancelled"
        try:
            response = await (await self._opened()).exchange(
                replace(request, headers=_merged(self._headers, request.headers)),
                max_bytes=request.max_response_bytes or self._max_response_bytes,
            )
            outcome = response.status
        except AppException as err:
            outcome = type(err).__name__
            raise
        finally:
            # No URL: paths hold keys, too, those of incoming webhooks for instance.
            logger.debug(
                "http call",
                service=request.service,
                method=request.method,
                outcome=outcome,
                duration_ms=round((time.perf_counter() - began) * 1000, 2),
            )
        return response

    async def close(self) -> None:
        """Close every connection; calls under way fail, and so does every later one."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _opened(self) -> "Pool":
        if self._closed:
            raise ConfigurationError(
                "The HTTP client is closed.", next_step="Make calls between init_http_client() and close_http_client()."
            )
        async with self._opening:
            if self._pool is None:
                # httpx and the list of certificate authorities take some 0.1 s to load: no other request waits for it.
                self._pool = await asyncio.to_thread(self._open)
            return self._pool

    def _open(self) -> "Pool":
        from app.core.http.pool import Pool  # noqa: PLC0415

        return Pool(
            user_agent=self._user_agent,
            max_connections=self._max_connections,
            connect_timeout_seconds=self._connect_timeout_seconds,
            ca_file=self._ca_file,
            proxy_url=self._proxy_url,
            traced_hosts=self._traced_hosts,
        )


def _merged(ours: Headers, more: Headers) -> Headers:
    # Names of headers have no case: two spellings of one would both be sent.
    return {name.lower(): value for headers in (ours, more) for name, value in headers.items()}


def create_http_client(
    *,
    user_agent: str = "app",
    headers: Headers | None = None,
    max_connections: int = DEFAULT_MAX_CONNECTIONS,
    max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    connect_timeout_seconds: float = DEFAULT_CONNECT_TIMEOUT,
    ca_file: str | None = None,
    proxy_url: SecretStr | None = None,
    traced_hosts: Sequence[str] = (),
) -> HttpClient:
    """A client of one's own, to be closed by whoever makes it; most code uses the process's, `get_http_client()`.

    Args:
        user_agent: How this service introduces itself, as name/version.
        headers: Sent with every call: an API key makes this the client of one service. Redirects take none of them
            to another host.
        max_connections: How many at once, over all hosts; further calls wait their turn within their timeout.
        max_response_bytes: How large an answer may be once decompressed.
        connect_timeout_seconds: For opening a connection, its TLS included.
        ca_file: Certificate authorities, PEM, that are trusted beside the public ones.
        proxy_url: The proxy every call goes through; may hold a name and a password.
        traced_hosts: Hosts of one's own that are told the current request's id; ".internal" stands for all below.
    """
    return HttpClient(
        user_agent=user_agent,
        headers=headers or {},
        max_connections=max_connections,
        max_response_bytes=max_response_bytes,
        connect_timeout_seconds=connect_timeout_seconds,
        ca_file=ca_file,
        proxy_url=proxy_url,
        traced_hosts=traced_hosts,
    )
