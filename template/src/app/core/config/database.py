"""The database: its address in any of the spellings that hosts hand out, the pool and the limits of each connection."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, NamedTuple, cast, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr
from pydantic_settings import SettingsConfigDict
from sqlalchemy.engine import URL

from app.core.config.section import Environment, Problem, SettingsSection, is_this_machine
from app.core.exceptions import ConfigurationError

_DRIVER: Final = "postgresql+asyncpg"
# Options for libpq that asyncpg has no use for; hosts put them into the URLs they hand out.
_LIBPQ_ONLY: Final = frozenset({"channel_binding", "connect_timeout", "gssencmode"})
_SERVER: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#,\s]+)(?::[0-9]+)?"
# Of a password that is not percent-encoded, a part would be read as the host or the name of the database.
_URL: Final = re.compile(
    r"(?:postgres|postgresql|postgresql\+asyncpg)://(?:([^:@/?#\s]*)(?::([^@/?#\s]*))?@)?"
    rf"({_SERVER}(?:,{_SERVER})*)?/([^@/?#\s]+)(?:\?([^@#\s]*))?"
)
_SHAPE: Final = (
    "must look like postgresql://USER:PASSWORD@HOST:PORT/NAME, several servers as HOST:PORT,HOST:PORT, the password "
    "percent-encoded, with @ as %40, # as %23, / as %2F, ? as %3F and % as %25"
)
_EMBEDDED_MARK: Final = "embedded-postgres"  # in the name of the folder with the socket of `app dev`'s server

# The modes of libpq, from no encryption to a verified certificate and host name.
SslMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]


class DatabaseAddress(NamedTuple):
    """An address for SQLAlchemy, and the encryption of connections to it."""

    url: URL
    ssl_mode: SslMode

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are reached over the network; none where it is a socket in the file system."""
        hosts = (self.url.host or "", *str(self.url.query.get("host", "")).split(","))
        return tuple(host for host in hosts if host and not host.startswith("/"))


def parse_database_url(text: str, ssl_mode: SslMode = "prefer") -> DatabaseAddress:
    """Read and normalise a URL, whose own `sslmode` goes first; ValueError with the rule that it breaks.

    Several servers end up in the query, as SQLAlchemy hands them to the driver, which looks for the one for writes.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(_SHAPE)
    user, password, servers, database, options = match.groups(default="")
    query = {name: value for name, value in parse_qsl(options) if name not in _LIBPQ_ONLY}
    ssl_mode = cast("SslMode", query.pop("sslmode", ssl_mode))
    if ssl_mode not in get_args(SslMode):
        raise ValueError(f"has an unknown sslmode; known are {', '.join(get_args(SslMode))}")
    if unknown := sorted(query.keys() - {"host", "port", "target_session_attrs"}):
        raise ValueError(f"has options this application does not know ({', '.join(unknown)}); remove them")
    if not servers and "host" not in query:
        raise ValueError("must name a host, or a socket folder as ?host=/folder")
    url = URL.create(_DRIVER, unquote(user) or None, unquote(password) or None, database=unquote(database))
    parts = [urlsplit(f"//{server}") for server in servers.split(",")]
    hosts, ports = [part.hostname or "" for part in parts], [part.port or 5432 for part in parts]
    if len(hosts) > 1:
        query = {"target_session_attrs": "primary", **query}
        query |= {"host": ",".join(hosts), "port": ",".join(map(str, ports))}
    elif servers:
        url = url.set(host=hosts[0], port=ports[0])
    return DatabaseAddress(url.set(query=query), ssl_mode)


_SecretUrl = Annotated[SecretStr, AfterValidator(lambda value: parse_database_url(value.get_secret_value()) and value)]


class DatabaseSettings(SettingsSection):
    """One `DATABASE_URL`, or `POSTGRES_*`; then the pool and the server-side limits of each connection."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_")

    url: _SecretUrl | None = Field(default=None, description="postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    host: str | None = Field(default=None, validation_alias="POSTGRES_HOST", description="Host name of the server.")
    port: int = Field(default=5432, ge=1, le=65535, validation_alias="POSTGRES_PORT", description="Port of the server.")
    user: str = Field(default="postgres", validation_alias="POSTGRES_USER", description="Role to connect as.")
    password: SecretStr | None = Field(default=None, validation_alias="POSTGRES_PASSWORD", description="Its password.")
    name: str = Field(default="app", validation_alias="POSTGRES_DB", description="Name of the database.")
    pooler: Literal["none", "transaction"] = Field(default="none", description="transaction: behind PgBouncer.")
    # Past a pooler, or with the role that owns the tables.
    migration_url: _SecretUrl | None = Field(
        default=None, validation_alias="MIGRATION_DATABASE_URL", description="The address for migrations."
    )
    ssl_mode: SslMode = Field(default="prefer", description="Encryption, unless the URL has an `sslmode`.")
    ssl_root_cert: FilePath | None = Field(default=None, description="Authorities of verify-ca; else the system's.")
    pool_size: int = Field(default=20, ge=1, le=500, description="Connections for changes, and again for reading.")
    max_overflow: int = Field(default=0, ge=0, le=500, description="Connections beyond each pool, on demand.")
    pool_timeout_seconds: float = Field(default=10, gt=0, le=300, description="Wait for a connection, before a 503.")
    pool_recycle_seconds: int = Field(default=1800, ge=-1, description="Age of a connection's end; -1: never.")
    pool_pre_ping: bool = Field(default=False, description="For networks that drop idle connections silently.")
    connect_timeout_seconds: float = Field(default=5, gt=0, le=120, description="Limit for opening a connection.")
    statement_timeout_seconds: float = Field(default=15, ge=0, le=3600, description="Of the server's; 0: none.")
    slow_statement_seconds: float = Field(default=1, gt=0, le=3600, description="Logged as a warning from there on.")
    lock_timeout_seconds: float = Field(default=5, ge=0, le=3600, description="Of the server's; 0: none.")
    idle_in_transaction_timeout_seconds: float = Field(default=30, ge=0, le=3600, description="As that; 0: never.")
    migration_lock_timeout_seconds: float = Field(default=5, gt=0, le=3600, description="A migration's wait for locks.")
    embedded_bin_folder: str | None = Field(
        default=None, validation_alias="POSTGRES_BIN_FOLDER", description="Its programs, for development alone."
    )

    @property
    def is_configured(self) -> bool:
        """True when the settings have the address of a database."""
        return self.url is not None or self.host is not None

    @property
    def address(self) -> DatabaseAddress:
        """The address of the database. ConfigurationError where none is configured."""
        if self.url is not None:
            return parse_database_url(self.url.get_secret_value(), self.ssl_mode)
        if self.host is None:
            raise ConfigurationError(
                "No database is configured.",
                next_step="Set DATABASE_URL or POSTGRES_HOST, or start with `app dev`, which brings its own.",
            )
        password = self.password.get_secret_value() if self.password else None
        url = URL.create(_DRIVER, self.user, password, host=self.host, port=self.port, database=self.name)
        return DatabaseAddress(url, self.ssl_mode)

    @property
    def migration_address(self) -> DatabaseAddress:
        """The address for migrations. ConfigurationError where none is configured."""
        url = self.migration_url
        return self.address if url is None else parse_database_url(url.get_secret_value(), self.ssl_mode)

    def _elsewhere(self, environment: Environment) -> Iterator[tuple[str, SslMode]]:
        """Yield the variables of addresses on other machines, and the encryption of what production sends there."""
        addresses = {"DATABASE_URL" if self.url else "POSTGRES_HOST": self.address} if self.is_configured else {}
        if self.migration_url is not None:
            addresses["MIGRATION_DATABASE_URL"] = self.migration_address
        for variable, address in addresses.items():
            if environment is Environment.PRODUCTION and not all(map(is_this_machine, address.hosts)):
                yield variable, address.ssl_mode

    def remarks(self, environment: Environment) -> Iterator[Problem]:
        """Yield encryption that is switched off though the server is elsewhere."""
        for variable, mode in self._elsewhere(environment):
            if mode == "disable":
                yield Problem("DATABASE_SSL_MODE", f"is disable: passwords and data go to {variable} as they are")

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield an address that is given twice, not at all or, in production, unencrypted."""
        if self.url is not None and self.host is not None:
            yield Problem("POSTGRES_HOST", "must not be set together with DATABASE_URL: choose one of them")
        for variable, mode in self._elsewhere(environment):
            # Prefer goes without where anything on the way says that the server cannot.
            if mode == "prefer":
                rule = f"must be require, verify-ca or verify-full, since {variable} is another machine's"
                yield Problem("DATABASE_SSL_MODE", f"{rule}; or disable, where everything on the way is trusted")
        if environment is Environment.DEVELOPMENT:
            return
        if not self.is_configured:
            yield Problem("DATABASE_URL", f"must be set in {environment}, or POSTGRES_HOST and its companions")
        elif _EMBEDDED_MARK in (self.address.url.host or str(self.address.url.query.get("host", ""))):
            variable = "POSTGRES_HOST" if self.host else "DATABASE_URL"
            yield Problem(variable, f"names the embedded development database, which {environment} refuses")
