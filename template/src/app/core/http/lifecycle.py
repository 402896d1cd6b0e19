"""The process's one client: made and closed by the lifespan, used by whoever calls out."""

from app.core.config import HttpClientSettings
from app.core.exceptions import ConfigurationError
from app.core.http.client import HttpClient, create_http_client

_current: HttpClient | None = None


def init_http_client(settings: HttpClientSettings, *, user_agent: str) -> HttpClient:
    """Make the process's client. Nothing is connected or imported before the first call.

    Args:
        settings: The pool's size, and how to get out of this network.
        user_agent: How this service introduces itself, as name/version.

    Raises:
        ConfigurationError: There is a client already.
    """
    global _current
    if _current is not None:
        raise ConfigurationError(
            "The HTTP client is initialised already.",
            next_step="Call close_http_client() before the next init_http_client().",
        )
    _current = create_http_client(
        user_agent=user_agent,
        max_connections=settings.max_connections,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        proxy_url=settings.proxy_url,
        traced_hosts=settings.traced_hosts,
    )
    return _current


async def close_http_client() -> None:
    """Close the process's client, if there is one."""
    global _current
    client, _current = _current, None
    if client is not None:
        await client.close()


def get_http_client() -> HttpClient:
    """The process's client.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    if _current is None:
        raise ConfigurationError("The HTTP client is not initialised.", next_step="Call init_http_client() first.")
    return _current
