"""Reading a database URL in any of the spellings that hosts hand out."""

import re
from typing import Final, NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.core.config.section import is_this_machine

_DRIVER: Final = "postgresql+asyncpg"
_ACCEPTED_SCHEMES: Final = ("postgres", "postgresql", _DRIVER)
_SSL_MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")
# Options for libpq that asyncpg has no use for; hosts put them into the URLs they hand out.
_LIBPQ_ONLY: Final = frozenset({"channel_binding", "connect_timeout", "gssencmode"})
# What may be asked of a server among several (libpq's documentation, "target_session_attrs"; asyncpg knows the same).
_SERVERS: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_DEFAULT_PORT: Final = "5432"
_SHAPE: Final = (
    "must look like postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters percent-encoded "
    "and a port from 1 to 65535; several servers as HOST:PORT,HOST:PORT"
)
_ENCODE: Final = (
    "must have its password percent-encoded: @ as %40, # as %23, / as %2F, ? as %3F, % as %25; as it is, a part of it "
    "would be read as the host or the name of the database"
)
# Everything before the host or hosts, they, and what follows.
_PARTS: Final = re.compile(r"([\w+]+://(?:[^:/]*(?::[^@]*)?@)?)([^/?]*)(.*)", re.DOTALL)
_SERVER: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]+))?")
# Part of the name of the folder that holds the embedded server's socket.
EMBEDDED_MARK: Final = "embedded-postgres"


class DatabaseUrl(NamedTuple):
    """An address for SQLAlchemy, and the `sslmode` it named, if any."""

    url: URL
    ssl_mode: str | None


def parse_database_url(text: str) -> DatabaseUrl:
    """Read and normalise a URL; the password is never part of an error.

    Several servers end up in the query as `host` and `port`, separated by commas, which is how SQLAlchemy hands them to
    the driver. Unless the URL says otherwise, the one that takes writes is looked for among them.

    Raises:
        ValueError: It is no PostgreSQL URL; the message is the rule it breaks.
    """
    if any(map(str.isspace, text)):
        raise ValueError("must not have spaces or line breaks in it; percent-encode those of a password")
    head, servers, tail = match.groups() if (match := _PARTS.fullmatch(text)) else (text, "", "")
    try:
        # Several servers are read here: SQLAlchemy takes a comma for a part of the port.
        url = make_url(f"{head}{'' if ',' in servers else servers}{tail}")
    except (ArgumentError, ValueError):
        raise ValueError(_ENCODE if "@" in tail.partition("?")[0] else _SHAPE) from None
    if url.drivername not in _ACCEPTED_SCHEMES:
        raise ValueError("must begin with postgresql://, postgres:// or postgresql+asyncpg://")
    if not set("@#/").isdisjoint(servers + (url.database or "")):
        raise ValueError(_ENCODE)
    if not url.database:
        raise ValueError("must end in the name of a database, as in …/app")
    query = {name: value for name, value in url.query.items() if name not in _LIBPQ_ONLY}
    ssl_mode = query.pop("sslmode", None)
    if ssl_mode is not None and ssl_mode not in _SSL_MODES:
        raise ValueError(f"has an unknown sslmode; known are {', '.join(_SSL_MODES)}")
    if query.get("target_session_attrs", "any") not in _SERVERS:
        raise ValueError(f"has an unknown target_session_attrs; known are {', '.join(_SERVERS)}")
    unknown = sorted(query.keys() - {"host", "port", "target_session_attrs"})
    if unknown:
        raise ValueError(f"has options this application does not know ({', '.join(unknown)}); remove them")
    if "," in servers:
        query = {"target_session_attrs": "primary", **query, **_several(servers)}
    if not url.host and "host" not in query:
        raise ValueError("must name a host, or a socket folder as ?host=/folder")
    ports = [url.port, *str(query.get("port", _DEFAULT_PORT)).split(",")]
    if not all(_is_port(port) for port in ports if port is not None):
        raise ValueError(_SHAPE)
    return DatabaseUrl(url.set(drivername=_DRIVER, query=query), str(ssl_mode) if ssl_mode else None)


def network_hosts(url: URL) -> tuple[str, ...]:
    """Return the hosts of a URL that are reached over the network; none where it is a socket in the file system."""
    hosts = (url.host or "", *str(url.query.get("host", "")).split(","))
    return tuple(host for host in hosts if host and not host.startswith("/"))


def is_elsewhere(url: URL) -> bool:
    """Tell whether a host of a URL is another machine, so that others carry what is sent there."""
    return not all(map(is_this_machine, network_hosts(url)))


def _several(servers: str) -> dict[str, str]:
    found = [_SERVER.fullmatch(server) for server in servers.split(",")]
    if not all(found):
        raise ValueError(_SHAPE)
    parts = [match.groups() for match in found if match]
    return {
        "host": ",".join(address or name for address, name, _ in parts),
        "port": ",".join(port or _DEFAULT_PORT for *_, port in parts),
    }


def _is_port(port: object) -> bool:
    digits = str(port)
    return digits.isdecimal() and 1 <= int(digits) <= 65535  # noqa: PLR2004 — the ports that TCP has
