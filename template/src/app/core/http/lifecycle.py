"""The process's clients: made and closed by the lifespan."""

from typing import Final, NamedTuple

from app.core.config import HttpClientSettings
from app.core.http.client import HttpClient
from app.core.singletons import ProcessWide


class _Clients(NamedTuple):
    ours: HttpClient
    public: HttpClient


_current: Final = ProcessWide[_Clients](
    "The HTTP client is", init="init_http_client(settings, …)", close="close_http_client()"
)


def init_http_client(settings: HttpClientSettings, *, user_agent: str) -> None:
    """Make the process's clients. Nothing is connected or loaded before the first call.

    Args:
        settings: The pool's size, and the way out of this network.
        user_agent: The name this service introduces itself by, as name/version.

    Raises:
        ConfigurationError: There is a client already.
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

    _current.open(lambda: _Clients(make(public_only=False), make(public_only=True)))


async def close_http_client() -> None:
    """Close the process's clients, if there are any."""
    for client in _current.take() or ():
        await client.close()


def get_http_client() -> HttpClient:
    """Return the process's client, for URLs of this application's own; ConfigurationError when there is none."""
    return _current.get().ours


def get_public_client() -> HttpClient:
    """Return the process's client for URLs that users chose: it calls public addresses alone."""
    return _current.get().public
