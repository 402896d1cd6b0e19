"""The database: its address, the pool of connections and the limits of each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy.engine import URL

from app.core.config.database_url import DRIVER, DatabaseAddress, SslMode, parse_database_url
from app.core.config.section import Environment, Problem, SettingsSection


class DatabaseSettings(SettingsSection):
    """One `DATABASE_URL`, or `POSTGRES_*`; then the pool and the server-side limits of each connection."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_")

    url: SecretStr | None = Field(default=None, description="postgresql://USER:PASSWORD@HOST:PORT/NAME.")
    host: str | None = Field(default=None, validation_alias="POSTGRES_HOST", description="Host name of the server.")
    port: int = Field(default=5432, ge=1, le=65535, validation_alias="POSTGRES_PORT", description="Port of the server.")
    user: str = Field(default="postgres", validation_alias="POSTGRES_USER", description="Role to connect as.")
    password: SecretStr | None = Field(default=None, validation_alias="POSTGRES_PASSWORD", description="Its password.")
    name: str = Field(default="app", validation_alias="POSTGRES_DB", description="Name of the database.")
    pooler: Literal["none", "transaction"] = Field(default="none", description="transaction: behind PgBouncer.")
    migration_url: SecretStr | None = Field(
        default=None,
        validation_alias="MIGRATION_DATABASE_URL",
        description="The address for migrations: past a pooler, or with the role that owns the tables.",
    )
    ssl_mode: SslMode = Field(default=SslMode.PREFER, description="Encryption, unless the URL has an `sslmode`.")
    ssl_root_cert: Path | None = Field(default=None, description="Authorities of verify-ca; else the system's.")
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
        default=None,
        validation_alias="POSTGRES_BIN_FOLDER",
        description="Development only: the `bin` folder of the embedded PostgreSQL.",
    )

    @field_validator("url", "migration_url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_database_url(value.get_secret_value())
        return value

    @property
    def is_configured(self) -> bool:
        """True when the settings have the address of a database."""
        return self.url is not None or self.host is not None

    @property
    def address(self) -> DatabaseAddress:
        """The address of the database; its own `sslmode` goes first. LookupError where none is configured."""
        if self.url is not None:
            return parse_database_url(self.url.get_secret_value(), self.ssl_mode)
        if self.host is None:
            raise LookupError("no database is configured")
        password = self.password.get_secret_value() if self.password else None
        url = URL.create(DRIVER, self.user, password, host=self.host, port=self.port, database=self.name)
        return DatabaseAddress(url, self.ssl_mode)

    @property
    def migration_address(self) -> DatabaseAddress:
        """The address for migrations. LookupError where none is configured."""
        if self.migration_url is None:
            return self.address
        return parse_database_url(self.migration_url.get_secret_value(), self.ssl_mode)

    def _elsewhere(self) -> Iterator[tuple[str, SslMode]]:
        """Yield the variables of addresses on other machines, and how the connections to them are encrypted."""
        if self.is_configured and self.address.is_elsewhere:
            yield "DATABASE_URL" if self.url else "POSTGRES_HOST", self.address.ssl_mode
        if self.migration_url is not None and self.migration_address.is_elsewhere:
            yield "MIGRATION_DATABASE_URL", self.migration_address.ssl_mode

    def remarks(self, environment: Environment) -> Iterator[Problem]:
        """Yield encryption that is switched off though the server is elsewhere."""
        for variable, mode in self._elsewhere():
            if environment is Environment.PRODUCTION and mode is SslMode.DISABLE:
                yield Problem("DATABASE_SSL_MODE", f"is disable: passwords and data go to {variable} as they are")

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield an address that is given twice, in part, not at all or, in production, unencrypted."""
        if self.url is not None and self.host is not None:
            yield Problem("POSTGRES_HOST", "must not be set together with DATABASE_URL: choose one of them")
        # Without this, a forgotten host would start the embedded server in silence. POSTGRES_PASSWORD may stand alone:
        # compose.yaml takes it from the same file.
        given = self.model_fields_set
        if given.isdisjoint({"url", "host"}) and (lonely := given & {"port", "user", "name"}):
            names = ", ".join(sorted(self.variables()[field] for field in lonely))
            yield Problem("POSTGRES_HOST", f"must be set where {names} is, or all of them left out")
        if self.ssl_root_cert is not None and not self.ssl_root_cert.is_file():
            yield Problem("DATABASE_SSL_ROOT_CERT", "must name a file that is there")
        if environment is Environment.PRODUCTION:
            for variable, mode in self._elsewhere():
                # Prefer goes without where anything on the way says that the server cannot.
                if mode is SslMode.PREFER:
                    yield Problem(
                        "DATABASE_SSL_MODE",
                        f"must be require, verify-ca or verify-full, since {variable} is another machine's; "
                        "or disable, where everything on the way is trusted",
                    )
        if environment is Environment.DEVELOPMENT:
            return
        if not self.is_configured:
            yield Problem("DATABASE_URL", f"must be set in {environment}, or POSTGRES_HOST and its companions")
        elif self.address.is_embedded:
            variable = "POSTGRES_HOST" if self.host else "DATABASE_URL"
            yield Problem(variable, f"names the embedded development database, which {environment} refuses")
