"""The process's clients."""

from typing import NamedTuple

from app.core.config import HttpClientSettings
from app.core.http.client import HttpClient
from app.core.process import get_object


class HttpClients(NamedTuple):
    """The clients that a process has.

    Attributes:
        ours: For URLs of this application's own.
        public: For URLs that users chose.
    """

    ours: HttpClient
    public: HttpClient

    async def close(self) -> None:
        """Close the connections of both."""
        for client in self:
            await client.close()


def make_http_clients(settings: HttpClientSettings, *, user_agent: str) -> HttpClients:
    """Make the clients. Nothing is connected or loaded before the first call.

    Args:
        settings: The pool's size, and the way out of this network.
        user_agent: The name this service introduces itself by, as name/version.
    """

    def make(*, public_only: bool) -> HttpClient:
        return HttpClient(
            user_agent=user_agent,
            max_connections=settings.max_connections,
            ca_file=str(settings.ca_file) if settings.ca_file else None,
            proxy_url=settings.proxy_url,
            traced_hosts=() if public_only else settings.traced_hosts,
            public_only=public_only,
        )

    return HttpClients(make(public_only=False), make(public_only=True))


def get_http_client() -> HttpClient:
    """Return the process's client, for URLs of this application's own; ConfigurationError when there is none."""
    return get_object(HttpClients).ours


def get_public_client() -> HttpClient:
    """Return the process's client for URLs that users chose: it calls public addresses alone."""
    return get_object(HttpClients).public
