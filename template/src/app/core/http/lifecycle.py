"""The process's one client: made and closed by the lifespan, used by whoever calls out."""

from typing import Final

from app.core.config import HttpClientSettings
from app.core.http.client import HttpClient, create_http_client
from app.core.singletons import ProcessWide

_current: Final = ProcessWide[HttpClient](
    "The HTTP client is", init="init_http_client(settings, …)", close="close_http_client()"
)


def init_http_client(settings: HttpClientSettings, *, user_agent: str) -> HttpClient:
    """Make the process's client. Nothing is connected or imported before the first call.

    Args:
        settings: The pool's size, and how to get out of this network.
        user_agent: How this service introduces itself, as name/version.

    Raises:
        ConfigurationError: There is a client already.
    """
    return _current.open(
        lambda: create_http_client(
            user_agent=user_agent,
            max_connections=settings.max_connections,
            ca_file=str(settings.ca_file) if settings.ca_file else None,
            proxy_url=settings.proxy_url,
            traced_hosts=settings.traced_hosts,
        )
    )


async def close_http_client() -> None:
    """Close the process's client, if there is one."""
    if (client := _current.take()) is not None:
        await client.close()


def get_http_client() -> HttpClient:
    """The process's client.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return _current.get()
