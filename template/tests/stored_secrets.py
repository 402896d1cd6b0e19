"""API keys of organisations in a test's database: put there, and read back."""

import asyncio
from typing import Any

import asyncpg
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.config.secrets import new_key
from app.core.database import Database
from app.core.secrets import make_secrets_service
from app.core.uow import atomic
from tests.factories import make_settings

OLD, NEW = (new_key(key_id).get_secret_value() for key_id in ("old", "new"))


async def connect(url: str) -> asyncpg.Connection:
    """A connection past the application."""
    address = make_url(url)
    return await asyncpg.connect(
        host=address.host or address.query["host"],
        port=int(address.port or str(address.query.get("port", 5432))),
        user=address.username,
        password=address.password,
        database=address.database,
    )


def execute(url: str, statement: str) -> list[Any]:
    """The rows that a statement returns, in a transaction that commits."""

    async def work() -> list[Any]:
        connection = await connect(url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(work())


def fill(url: str, number: int) -> None:
    """Keys of many organisations, under the old key."""

    async def work() -> None:
        database = Database(make_settings(database_url=url).database)
        service = make_secrets_service(SecretsSettings(keys=SecretStr(OLD)), IntegrationsSettings())
        async with database.session() as session, atomic(session):
            for index in range(number):
                await service.set_api_key(session, f"org-{index}", "openai", SecretStr(f"value {index}"))
        await database.close()

    asyncio.run(work())


def stored(url: str, *keys: str, number: int) -> list[str]:
    """Return what is stored, read with these keys."""

    async def work() -> list[str]:
        database = Database(make_settings(database_url=url).database)
        service = make_secrets_service(SecretsSettings(keys=SecretStr(",".join(keys))), IntegrationsSettings())
        async with database.read_session() as session:
            found = [
                (await service.get_api_key(session, f"org-{index}", "openai")).get_secret_value()
                for index in range(number)
            ]
        await database.close()
        return found

    return asyncio.run(work())
