"""A plugin for a rendered project's tests: the application under test goes through a pooler.

The databases are made, migrated and removed past it, as migrations are in production.
"""

from __future__ import annotations

import os
from typing import Any

from app.core.config import ApplicationSettings
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from tests import factories

POOLER = make_url(os.environ["POOLER_UNDER_TEST"])
SERVER = make_url(os.environ["TEST_DATABASE_URL"])
_make_settings = factories.make_settings
_with_database_url = ApplicationSettings.with_database_url


def through(settings: Any) -> Any:
    """Return settings whose database is reached through the pooler, save by migrations."""
    if settings.database.url is None:
        return settings
    direct = settings.database.url.get_secret_value()
    found = make_url(direct)
    if (found.host, found.query) != (SERVER.host, SERVER.query):
        return settings
    name = found.database
    url = POOLER.set(database=name).render_as_string(hide_password=False)
    changes = {
        "url": SecretStr(url),
        "migration_url": SecretStr(direct),
        "pooler": "transaction",
    }
    database = settings.database.model_copy(update=changes)
    return settings.model_copy(update={"database": database})


def make_settings(**sections: Any) -> Any:
    """Return settings as the tests make them, through the pooler."""
    return through(_make_settings(**sections))


def with_database_url(self: Any, url: str) -> Any:
    """Return settings for another database, through the pooler."""
    return through(_with_database_url(self, url))


factories.make_settings = make_settings
ApplicationSettings.with_database_url = with_database_url
