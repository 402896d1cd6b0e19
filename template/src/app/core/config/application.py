"""All settings in one object."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, SecretStr

from app.core.config.api import ApiSettings
from app.core.config.auth import AuthSettings
from app.core.config.cache import CacheSettings
from app.core.config.database import DatabaseSettings
from app.core.config.events import EventSettings
from app.core.config.http_client import HttpClientSettings
from app.core.config.integrations import IntegrationsSettings
from app.core.config.logging import LoggingSettings
from app.core.config.secrets import SecretsSettings
from app.core.config.section import Environment, Problem, SettingsSection
from app.core.config.security import SecuritySettings


class ApplicationSettings(BaseModel):
    """The stage, and a section per concern. Made by `load_settings()`, or by hand in a test."""

    model_config = ConfigDict(frozen=True)

    environment: Environment = Environment.DEVELOPMENT
    api: ApiSettings
    auth: AuthSettings
    cache: CacheSettings
    database: DatabaseSettings
    events: EventSettings
    http_client: HttpClientSettings
    integrations: IntegrationsSettings
    logging: LoggingSettings
    secrets: SecretsSettings
    security: SecuritySettings

    @classmethod
    def sections(cls) -> dict[str, type[SettingsSection]]:
        """The sections by their names."""
        return {
            name: field.annotation
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsSection)
        }

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings taken together."""
        for name in self.sections():
            section: SettingsSection = getattr(self, name)
            yield from section.problems(self.environment)

    def with_database_url(self, url: str) -> "ApplicationSettings":
        """A copy that uses another database, such as the embedded one."""
        database = self.database.model_copy(update={"url": SecretStr(url), "host": None})
        return self.model_copy(update={"database": database})
