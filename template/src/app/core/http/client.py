"""The pools of connections to other services.

httpx is loaded with the first call, not with the application: with the certificates it takes 0.1 s.
"""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from app.core.config import HttpClientSettings
from app.core.exceptions import ConfigurationError
from app.core.process import get_object
from app.core.tls import make_tls_context

if TYPE_CHECKING:
    import httpx

Headers = Mapping[str, str | SecretStr]

# Servers commonly keep an idle connection for 5 s or more (uvicorn, Node.js: 5 s); letting go first loses no request
# to a connection that the other side is just closing.
_KEEPALIVE_SECONDS: Final = 4.0
# Long enough for a lost packet or two (TCP repeats the first after 1 s, then 2 s: RFC 6298); again for TLS.
_CONNECT_SECONDS: Final = 5.0


def create_http_client(
    *,
    user_agent: str = "app",
    headers: Headers | None = None,
    max_connections: int = 100,
    connect_timeout_seconds: float = _CONNECT_SECONDS,
    ca_file: Path | str | None = None,
    proxy_url: SecretStr | None = None,
    public_only: bool = False,
) -> "httpx.AsyncClient":
    """Return a client of one's own, to be closed by its maker; most code uses the process's, `get_http_client()`.

    Args:
        user_agent: The name this service introduces itself by, as name/version.
        headers: Sent with every call: an API key makes this the client of one service.
        max_connections: The most at once, over all hosts; further calls wait their turn within their timeout.
        connect_timeout_seconds: For opening a connection, and again for its TLS.
        ca_file: Certificate authorities, PEM, that are trusted beside the public ones.
        proxy_url: The proxy every call goes through; may hold a name and a password.
        public_only: Call public addresses alone, for URLs that users chose.

    Raises:
        ConfigurationError: The certificate authorities cannot be read, or a proxy would connect to public addresses.
    """
    import httpx  # noqa: PLC0415

    from app.core.http.public import PublicTransport  # noqa: PLC0415

    if public_only and proxy_url is not None:
        raise ConfigurationError(
            "A URL that a user chose cannot be checked here: HTTP_CLIENT_PROXY_URL is set, and the proxy connects.",
            next_step="Unset it, or call through a proxy that refuses private addresses, by a client of its own.",
        )
    transport = (PublicTransport if public_only else httpx.AsyncHTTPTransport)(
        verify=make_tls_context(ca_file),
        # Nothing of the environment: SSL_CERT_FILE, HTTP_PROXY and their like are settings here.
        trust_env=False,
        proxy=proxy_url.get_secret_value() if proxy_url else None,
        limits=httpx.Limits(
            max_connections=max_connections,
            # A connection is kept by its address, where the next name may be another owner's.
            max_keepalive_connections=0 if public_only else None,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        ),
    )
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        timeout=httpx.Timeout(None, connect=connect_timeout_seconds),
        # One user's cookie must not go out with the next one's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"user-agent": user_agent, "accept-encoding": "gzip", **open_headers(headers or {})},
    )


class HttpClients:
    """The process's clients, each made when it is first used.

    Args:
        settings: The pool's size, and the way out of this network.
        user_agent: The name this service introduces itself by, as name/version.
    """

    def __init__(self, settings: HttpClientSettings, *, user_agent: str) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._made: dict[bool, httpx.AsyncClient] = {}

    def get(self, *, public_only: bool) -> "httpx.AsyncClient":
        """Return the client for URLs of this application's own, or for those that users chose."""
        if public_only not in self._made:
            self._made[public_only] = create_http_client(
                user_agent=self._user_agent,
                max_connections=self._settings.max_connections,
                ca_file=self._settings.ca_file,
                proxy_url=self._settings.proxy_url,
                public_only=public_only,
            )
        return self._made[public_only]

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        for client in self._made.values():
            await client.aclose()


def get_http_client() -> "httpx.AsyncClient":
    """Return the process's client, for URLs of this application's own; ConfigurationError when there is none."""
    return get_object(HttpClients).get(public_only=False)


def get_public_client() -> "httpx.AsyncClient":
    """Return the process's client for URLs that users chose: it calls public addresses alone."""
    return get_object(HttpClients).get(public_only=True)


def open_headers(headers: Headers) -> dict[str, str]:
    """Return headers as they are sent: secrets opened, and names in lower case, or two spellings would both be sent."""
    return {
        name.lower(): each.get_secret_value() if isinstance(each, SecretStr) else each for name, each in headers.items()
    }
