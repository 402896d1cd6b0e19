"""API keys of organisations in a test's database: put there, and read back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from app.core.config.secrets import new_key, parse_keys
from app.core.database import Database
from app.core.secrets import SecretsService
from app.core.uow import atomic
from tests.factories import make_settings

OLD, NEW = (new_key(key_id).get_secret_value() for key_id in ("old", "new"))


@asynccontextmanager
async def _opened(url: str, *keys: str) -> AsyncIterator[tuple[Database, SecretsService]]:
    database = Database(make_settings(database_url=url).database)
    yield database, SecretsService(keys=parse_keys(SecretStr(",".join(keys))), environment={})
    await database.close()


def fill(url: str, number: int) -> None:
    """Keys of many organisations, under the old key."""

    async def work() -> None:
        async with _opened(url, OLD) as (database, service), database.session() as session, atomic(session):
            for index in range(number):
                await service.set_api_key(session, f"org-{index}", "openai", SecretStr(f"value {index}"))

    asyncio.run(work())


def stored(url: str, *keys: str, number: int) -> list[str]:
    """Return what is stored, read with these keys."""

    async def work() -> list[str]:
        async with _opened(url, *keys) as (database, service), database.read_session() as session:
            found = [await service.get_api_key(session, f"org-{index}", "openai") for index in range(number)]
            return [value.get_secret_value() for value in found]

    return asyncio.run(work())
