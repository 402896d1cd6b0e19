"""Making what tests need: only what a test is about is spelt out in it."""

import itertools
from typing import Any

from httpx import AsyncClient
from pydantic import SecretStr

from app.core.config import (
    ApiSettings,
    ApplicationSettings,
    AuthSettings,
    DatabaseSettings,
    Environment,
    LoggingSettings,
    SecuritySettings,
)

_numbers = itertools.count(1)


def make_settings(*, database_url: str | None = None, **sections: Any) -> ApplicationSettings:
    """Settings that owe nothing to the environment or to a developer's files."""
    url = SecretStr(database_url) if database_url else None
    return ApplicationSettings(
        **{
            "environment": Environment.DEVELOPMENT,
            "api": ApiSettings(),
            "auth": AuthSettings(secret_key=SecretStr("k3y-of-the-tests-7f1c9a20d4b86e35")),
            "database": DatabaseSettings(url=url, pool_size=5),
            "logging": LoggingSettings(),
            "security": SecuritySettings(),
            **sections,
        }
    )


async def make_item(client: AsyncClient, **values: Any) -> dict[str, Any]:
    """An item, made through the API."""
    number = next(_numbers)
    response = await client.post("/api/v1/items", json={"sku": f"SKU-{number}", "name": f"Item {number}", **values})
    assert response.status_code == 201, response.text
    item: dict[str, Any] = response.json()
    return item
