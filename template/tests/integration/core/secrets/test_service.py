"""Storing and finding API keys in a real database."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.config.secrets import new_key
from app.core.database import get_async_session, get_database
from app.core.exceptions import (
    ConfigurationError,
    DatabaseException,
    ResourceNotFoundError,
    ValidationError,
)
from app.core.secrets import (
    MalformedEnvelopeError,
    SecretsService,
    TamperedSecretError,
    UnknownKeyError,
    make_secrets_service,
)
from app.core.uow import atomic

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transaction")]

ENVIRONMENT = IntegrationsSettings(external_api_keys=SecretStr("openai=of-the-installation"))


@pytest.fixture
def service() -> SecretsService:
    return make_secrets_service(SecretsSettings(keys=new_key("k1")), ENVIRONMENT)


async def put(service: SecretsService, value: str, org: str, team: str | None = None, provider: str = "openai") -> None:
    async with get_async_session() as session, atomic(session):
        await service.set_api_key(session, org, provider, SecretStr(value), team)


async def get(service: SecretsService, org: str, team: str | None = None, provider: str = "openai") -> str:
    async with get_database().read_session() as session:
        return (await service.get_api_key(session, org, provider, team)).get_secret_value()


async def delete(service: SecretsService, org: str, team: str | None = None) -> None:
    async with get_async_session() as session, atomic(session):
        await service.delete_api_key(session, org, "openai", team)


async def paths(service: SecretsService, org: str, team: str | None = None) -> Sequence[str]:
    async with get_database().read_session() as session:
        return [info.path for info in await service.list(session, org, team)]


async def test_the_team_comes_before_the_organisation_and_that_before_the_installation(
    service: SecretsService,
) -> None:
    assert await get(service, "acme", "red") == "of-the-installation"
    await put(service, "of-acme", "acme")
    assert await get(service, "acme", "red") == "of-acme"
    await put(service, "of-red", "acme", "red")
    assert await get(service, "acme", "red") == "of-red"
    assert await get(service, "acme") == "of-acme"

    await delete(service, "acme", "red")
    assert await get(service, "acme", "red") == "of-acme"
    await delete(service, "acme")
    assert await get(service, "acme", "red") == "of-the-installation"


async def test_get_api_key_without_one_is_an_error_of_ours_and_find_api_key_returns_none(
    service: SecretsService,
) -> None:
    async with get_database().read_session() as session:
        assert await service.find_api_key(session, "acme", "anthropic") is None
    with pytest.raises(ConfigurationError, match="no API key of anthropic") as caught:
        await get(service, "acme", provider="anthropic")
    assert "ANTHROPIC_API_KEY" in str(caught.value.next_step)
    with pytest.raises(ResourceNotFoundError):
        await delete(service, "acme")


async def test_organisations_teams_and_providers_see_only_their_own(service: SecretsService) -> None:
    places = [("acme", None), ("acme", "red"), ("acme", "blue"), ("globex", None), ("globex", "red"), ("red", None)]
    for org, team in places:
        for provider in ("openai", "anthropic"):
            await put(service, f"{org} {team} {provider}", org, team, provider)
    for org, team in places:
        for provider in ("openai", "anthropic"):
            assert await get(service, org, team, provider) == f"{org} {team} {provider}"
    # A team of that name elsewhere has none of its own here.
    assert await get(service, "red", "red") == "red None openai"
    assert await get(service, "globex", "blue") == "globex None openai"


async def test_a_list_is_of_one_owner_in_pages_and_shows_no_value(service: SecretsService) -> None:
    for org, team in permutations(("acme", "acme_2", "acmeX2", "acme-2", "team"), 2):
        await put(service, "planted-value", org, team)
    await put(service, "planted-value", "acme")

    listed = await paths(service, "acme")
    assert listed == sorted(listed)
    assert len(listed) == 5
    assert all(path.startswith("/organizations/acme/") for path in listed)
    # `_` is a wildcard of LIKE, and must not be one here.
    assert {path.split("/")[2] for path in await paths(service, "acme_2")} == {"acme_2"}
    assert await paths(service, "acme", "team") == ["/organizations/acme/teams/team/openai_api_key"]

    async with get_database().read_session() as session:
        first = await service.list(session, "acme", limit=2)
        rest = await service.list(session, "acme", after=first[-1].path)
        assert [info.path for info in (*first, *rest)] == listed
        assert "planted" not in repr([*first, *rest])


MOVE = (
    "UPDATE secrets SET (envelope, key_id) = (SELECT envelope, key_id FROM secrets"
    " WHERE path = '/organizations/acme/openai_api_key')"
)


async def test_an_envelope_moved_to_another_row_is_refused(
    service: SecretsService, transaction: AsyncConnection
) -> None:
    for org, team in (("acme", None), ("acme", "red"), ("globex", None), ("globex", "red")):
        await put(service, f"of-{org}-{team}", org, team)
    await transaction.execute(text(MOVE))
    assert await get(service, "acme") == "of-acme-None"
    for org, team in (("acme", "red"), ("globex", None), ("globex", "red")):
        with pytest.raises(TamperedSecretError):
            await get(service, org, team)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("substr(envelope, 1, 20)", MalformedEnvelopeError),
        ("'\\x02'::bytea || substr(envelope, 2)", MalformedEnvelopeError),
        ("envelope || '\\x00'", TamperedSecretError),
        ("set_byte(envelope, octet_length(envelope) - 1, get_byte(envelope, octet_length(envelope) - 1) # 128)",
         TamperedSecretError),
    ],
)  # fmt: skip
async def test_an_altered_envelope_is_refused(
    change: str, error: type[Exception], service: SecretsService, transaction: AsyncConnection
) -> None:
    await put(service, "of-acme", "acme")
    await transaction.execute(text(f"UPDATE secrets SET envelope = {change}"))
    with pytest.raises(error):
        await get(service, "acme")


@pytest.mark.parametrize("change", ["key_id = 'k2'", "envelope = '\\x01'", "envelope = 'k1'"])
async def test_the_table_holds_the_key_id_that_the_envelope_names(
    change: str, service: SecretsService, transaction: AsyncConnection
) -> None:
    await put(service, "of-acme", "acme")
    with pytest.raises(DatabaseException):
        async with transaction.begin_nested():
            await transaction.execute(text(f"UPDATE secrets SET {change}"))
    assert await get(service, "acme") == "of-acme"


async def test_a_lost_key_is_an_error_that_names_key_and_place(service: SecretsService) -> None:
    await put(service, "of-acme", "acme")
    other = make_secrets_service(SecretsSettings(keys=new_key("k2")), ENVIRONMENT)
    with pytest.raises(UnknownKeyError) as caught:
        await get(other, "acme")
    assert caught.value.details == {"path": "/organizations/acme/openai_api_key", "key_id": "k1"}


async def test_without_keys_the_installations_still_serve_and_stored_ones_are_refused(service: SecretsService) -> None:
    keyless = make_secrets_service(SecretsSettings(), ENVIRONMENT)
    assert await get(keyless, "acme") == "of-the-installation"
    with pytest.raises(ConfigurationError, match="SECRETS_KEYS"):
        await put(keyless, "value", "acme")
    await put(service, "of-acme", "acme")
    with pytest.raises(ConfigurationError, match="SECRETS_KEYS"):
        await get(keyless, "acme")
    assert await paths(keyless, "acme") == ["/organizations/acme/openai_api_key"]


@pytest.mark.parametrize("value", ["", "x" * 16_385, "é" * 8193, "\ud800"])
async def test_a_value_that_cannot_be_kept_is_refused(value: str, service: SecretsService) -> None:
    with pytest.raises(ValidationError) as caught:
        await put(service, value, "acme")
    assert caught.value.field == "value"
    assert await paths(service, "acme") == []
