"""Settings: one section per concern, read from the environment and checked once, all problems at a time.

`get_settings()` is the process-wide singleton; `get_settings.cache_clear()` makes the next call read again. Only this
package touches the environment.
"""

from app.core.config.api import ApiSettings, AuthSettings, SecuritySettings
from app.core.config.application import ApplicationSettings
from app.core.config.background import JobSettings, MailSettings, RetentionSettings
from app.core.config.database import DatabaseSettings
from app.core.config.loading import load_settings
from app.core.config.process import CacheSettings, HttpClientSettings, LoggingSettings, TelemetrySettings
from app.core.config.secrets import IntegrationsSettings, SecretsSettings
from app.core.config.section import Environment
from app.core.process import Singleton

get_settings: Singleton[ApplicationSettings] = Singleton(load_settings)

__all__ = [
    "ApiSettings",
    "ApplicationSettings",
    "AuthSettings",
    "CacheSettings",
    "DatabaseSettings",
    "Environment",
    "HttpClientSettings",
    "IntegrationsSettings",
    "JobSettings",
    "LoggingSettings",
    "MailSettings",
    "RetentionSettings",
    "SecretsSettings",
    "SecuritySettings",
    "TelemetrySettings",
    "get_settings",
    "load_settings",
]
