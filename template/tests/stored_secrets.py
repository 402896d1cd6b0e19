"""API keys of organisations in a test's database: put there, and read back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from app.core.config.secrets import new_key, parse_keys
from app.core.database import Database, WriteSession, get_async_session
from app.core.process import open_process
from app.core.secrets import SecretsService
from app.core.uow import atomic, unit_of_work
from tests.factories import make_settings

OLD, NEW = (new_key(key_id).get_secret_value() for key_id in ("old", "new"))


def make_service(*keys: str, **environment: str) -> SecretsService:
    """A service with a ring of these keys, and this installation's own keys by provider."""
    ring = parse_keys(SecretStr(",".join(keys))) if keys else ()
    return SecretsService(keys=ring, environment={name: SecretStr(value) for name, value in environment.items()})


async def put(service: SecretsService, value: str, org: str, team: str | None = None) -> None:
    """Set a key in the application's database."""
    async with unit_of_work() as uow:
        await service.set_api_key(uow.session, org, "openai", SecretStr(value), team)


async def get(service: SecretsService, org: str, team: str | None = None) -> str:
    """Get a key from the application's database."""
    async with get_async_session() as session:
        return (await service.get_api_key(session, org, "openai", team)).get_secret_value()


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[WriteSession]:
    async with open_process() as process:
        database = Database(make_settings(database_url=url).database)
        process.add(database, close=database.close)
        async with get_async_session() as session:
            yield session


def fill(url: str, number: int) -> None:
    """Keys of many organisations, under the old key."""

    async def work() -> None:
        service = make_service(OLD)
        async with _opened(url) as session, atomic(session):
            for index in range(number):
                await service.set_api_key(session, f"org-{index}", "openai", SecretStr(f"value {index}"))

    asyncio.run(work())


def stored(url: str, *keys: str, number: int) -> list[str]:
    """Return what is stored, read with these keys."""

    async def work() -> list[str]:
        service = make_service(*keys)
        async with _opened(url) as session:
            found = [await service.get_api_key(session, f"org-{index}", "openai") for index in range(number)]
            return [value.get_secret_value() for value in found]

    return asyncio.run(work())
