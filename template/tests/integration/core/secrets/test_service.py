"""`SecretsService`: storing and finding API keys in a real database."""

from itertools import permutations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config.secrets import new_key
from app.core.database import get_async_session
from app.core.exceptions import ConfigurationError, ResourceNotFoundError
from app.core.secrets import SecretsError, SecretsService
from app.core.uow import unit_of_work
from tests.stored_secrets import get, make_service, put

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transaction")]

PATH = "/organizations/acme/openai_api_key"


@pytest.fixture
def service() -> SecretsService:
    return make_service(new_key("k1").get_secret_value(), openai="of-the-installation")


async def delete(service: SecretsService, org: str, team: str | None = None) -> None:
    async with unit_of_work() as uow:
        await service.delete_api_key(uow.session, org, "openai", team)


async def paths(service: SecretsService, *owner: str) -> list[str]:
    async with get_async_session() as session:
        return [info.path for info in await service.list(session, *owner)]


async def test_the_team_comes_before_the_organisation_and_that_before_the_installation(
    service: SecretsService,
) -> None:
    assert await get(service, "acme", "red") == "of-the-installation"
    await put(service, "of-acme", "acme")
    assert await get(service, "acme", "red") == "of-acme"
    await put(service, "of-red", "acme", "red")
    assert await get(service, "acme", "red") == "of-red"
    assert await get(service, "acme") == "of-acme"
    # A team of that name elsewhere has none of its own here.
    assert await get(service, "globex", "red") == "of-the-installation"

    await delete(service, "acme", "red")
    assert await get(service, "acme", "red") == "of-acme"
    await delete(service, "acme")
    assert await get(service, "acme", "red") == "of-the-installation"
    with pytest.raises(ResourceNotFoundError):
        await delete(service, "acme")


async def test_get_api_key_without_one_is_an_error_of_ours_and_find_api_key_returns_none(
    service: SecretsService,
) -> None:
    async with get_async_session() as session:
        assert await service.find_api_key(session, "acme", "anthropic") is None
        with pytest.raises(ConfigurationError, match="no API key of anthropic"):
            await service.get_api_key(session, "acme", "anthropic")


async def test_list_is_of_one_owner_by_path(service: SecretsService) -> None:
    for org, team in permutations(("acme", "acme_2", "acmeX2"), 2):
        await put(service, "planted-value", org, team)
    await put(service, "planted-value", "acme")

    assert await paths(service, "acme") == [
        PATH,
        "/organizations/acme/teams/acmeX2/openai_api_key",
        "/organizations/acme/teams/acme_2/openai_api_key",
    ]
    # `_` is a wildcard of LIKE, and must not be one here.
    assert {path.split("/")[2] for path in await paths(service, "acme_2")} == {"acme_2"}
    assert await paths(service, "acme", "acme_2") == ["/organizations/acme/teams/acme_2/openai_api_key"]


async def test_an_envelope_moved_to_another_row_is_refused(
    service: SecretsService, transaction: AsyncConnection
) -> None:
    places = (("acme", "red"), ("globex", None), ("globex", "red"))
    for org, team in (("acme", None), *places):
        await put(service, "value", org, team)
    moved = f"(SELECT envelope, key_id FROM secrets WHERE path = '{PATH}')"
    await transaction.execute(text(f"UPDATE secrets SET (envelope, key_id) = {moved}"))

    assert await get(service, "acme") == "value"
    for org, team in places:
        with pytest.raises(SecretsError, match="altered, moved"):
            await get(service, org, team)


async def test_a_stored_key_that_cannot_be_read_is_an_error_and_not_the_next_one(service: SecretsService) -> None:
    await put(service, "of-acme", "acme")
    with pytest.raises(SecretsError, match="a key that SECRETS_KEYS lacks") as caught:
        await get(make_service(new_key("k2").get_secret_value()), "acme", "red")
    assert caught.value.details == {"path": PATH, "key_id": "k1"}

    keyless = make_service(openai="of-the-installation")
    assert await get(keyless, "globex") == "of-the-installation"
    with pytest.raises(ConfigurationError, match="SECRETS_KEYS"):
        await get(keyless, "acme")
    with pytest.raises(ConfigurationError, match="SECRETS_KEYS"):
        await put(keyless, "value", "globex")
