"""Reading a database URL in any of the spellings that hosts hand out."""

from typing import Final, NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVER: Final = "postgresql+asyncpg"
_ACCEPTED_SCHEMES: Final = ("postgres", "postgresql", _DRIVER)
_SSL_MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")
# Options for libpq that asyncpg has no use for; hosts put them into the URLs they hand out.
_LIBPQ_ONLY: Final = frozenset({"channel_binding", "connect_timeout", "gssencmode", "target_session_attrs"})
_SHAPE: Final = (
    "must look like postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters percent-encoded "
    "and a port from 1 to 65535"
)
# Part of the name of the folder that holds the embedded server's socket.
EMBEDDED_MARK: Final = "embedded-postgres"


class DatabaseUrl(NamedTuple):
    """An address for SQLAlchemy, and the `sslmode` it named, if any."""

    url: URL
    ssl_mode: str | None


def parse_database_url(text: str) -> DatabaseUrl:
    """Read and normalise a URL; the password is never part of an error.

    Raises:
        ValueError: It is no PostgreSQL URL; the message is the rule it breaks.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(_SHAPE) from None
    if not all(_is_port(port) for port in (url.port, url.query.get("port")) if port is not None):
        raise ValueError(_SHAPE)
    if url.drivername not in _ACCEPTED_SCHEMES:
        raise ValueError("must begin with postgresql://, postgres:// or postgresql+asyncpg://")
    if not url.database:
        raise ValueError("must end in the name of a database, as in …/app")
    query = {name: value for name, value in url.query.items() if name not in _LIBPQ_ONLY}
    ssl_mode = query.pop("sslmode", None)
    if ssl_mode is not None and ssl_mode not in _SSL_MODES:
        raise ValueError(f"has an unknown sslmode; known are {', '.join(_SSL_MODES)}")
    unknown = sorted(query.keys() - {"host", "port"})
    if unknown:
        raise ValueError(f"has options this application does not know ({', '.join(unknown)}); remove them")
    if not url.host and "host" not in query:
        raise ValueError("must name a host, or a socket folder as ?host=/folder")
    return DatabaseUrl(url.set(drivername=_DRIVER, query=query), str(ssl_mode) if ssl_mode else None)


def _is_port(port: object) -> bool:
    digits = str(port)
    return digits.isdecimal() and 1 <= int(digits) <= 65535  # noqa: PLR2004 — the ports that TCP has
