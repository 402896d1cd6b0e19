"""Reading a database URL in any of the spellings that hosts hand out."""

import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy.engine import URL

from app.core.config.section import is_this_machine

DRIVER: Final = "postgresql+asyncpg"
_ACCEPTED_SCHEMES: Final = ("postgres", "postgresql", DRIVER)
# Options for libpq that asyncpg has no use for; hosts put them into the URLs they hand out.
_LIBPQ_ONLY: Final = frozenset({"channel_binding", "connect_timeout", "gssencmode"})
_DEFAULT_PORT: Final = "5432"
_SHAPE: Final = (
    "must look like postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters percent-encoded "
    "and a port from 1 to 65535; several servers as HOST:PORT,HOST:PORT"
)
_ENCODE: Final = (
    "must have its password percent-encoded: @ as %40, # as %23, / as %2F, ? as %3F, % as %25; as it is, a part of it "
    "would be read as the host or the name of the database"
)
_SERVER: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]+))?")
# Part of the name of the folder that holds the embedded server's socket.
_EMBEDDED_MARK: Final = "embedded-postgres"


class SslMode(StrEnum):
    """The modes of libpq, from no encryption to a verified certificate and host name."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class DatabaseAddress(NamedTuple):
    """An address for SQLAlchemy, and the encryption of connections to it."""

    url: URL
    ssl_mode: SslMode

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are reached over the network; none where it is a socket in the file system."""
        hosts = (self.url.host or "", *str(self.url.query.get("host", "")).split(","))
        return tuple(host for host in hosts if host and not host.startswith("/"))

    @property
    def is_elsewhere(self) -> bool:
        """True when a host is another machine, so that others carry what is sent there."""
        return not all(map(is_this_machine, self.hosts))

    @property
    def is_embedded(self) -> bool:
        """True for the development server that `app dev` starts."""
        return _EMBEDDED_MARK in (self.url.host or str(self.url.query.get("host", "")))


def parse_database_url(text: str, ssl_mode: SslMode = SslMode.PREFER) -> DatabaseAddress:
    """Read and normalise a URL; ValueError with the rule that it breaks, never with the password.

    Several servers end up in the query as `host` and `port`, separated by commas, as SQLAlchemy hands them to the
    driver, which looks for the one that takes writes. `ssl_mode` counts where the URL has no `sslmode`.
    """
    # `urlsplit` drops some white space in silence.
    if any(map(str.isspace, text)):
        raise ValueError(_SHAPE)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(_SHAPE) from None
    credentials, _, servers = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    database = unquote(parts.path.removeprefix("/"))
    query = {name: value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in _LIBPQ_ONLY}
    if parts.scheme not in _ACCEPTED_SCHEMES:
        raise ValueError("must begin with postgresql://, postgres:// or postgresql+asyncpg://")
    if "@" in credentials + parts.query or "#" in text or not set("@#/").isdisjoint(database):
        raise ValueError(_ENCODE)
    if not database:
        raise ValueError("must end in the name of a database, as in …/app")
    named_mode = query.pop("sslmode", ssl_mode)
    if named_mode not in list(SslMode):
        raise ValueError(f"has an unknown sslmode; known are {', '.join(SslMode)}")
    if unknown := sorted(query.keys() - {"host", "port", "target_session_attrs"}):
        raise ValueError(f"has options this application does not know ({', '.join(unknown)}); remove them")
    if not servers and "host" not in query:
        raise ValueError("must name a host, or a socket folder as ?host=/folder")
    found = [_SERVER.fullmatch(server) for server in servers.split(",")] if servers else []
    hosts = [match[1] or match[2] for match in found if match]
    ports = [match[3] or _DEFAULT_PORT for match in found if match]
    asked = [*ports, *query.get("port", _DEFAULT_PORT).split(",")]
    if not all(found) or not all(port.isdecimal() and int(port) in range(1, 65_536) for port in asked):
        raise ValueError(_SHAPE)
    url = URL.create(DRIVER, unquote(user) or None, unquote(password) or None, database=database)
    if len(hosts) == 1:
        url = url.set(host=hosts[0], port=int(ports[0]))
    elif hosts:
        query = {"target_session_attrs": "primary", **query, "host": ",".join(hosts), "port": ",".join(ports)}
    return DatabaseAddress(url.set(query=query), SslMode(named_mode))
