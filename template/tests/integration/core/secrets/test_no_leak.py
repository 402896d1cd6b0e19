"""A planted value and the key it is encrypted with: looked for wherever something could show them."""

import base64
import io
import json
import logging
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.errors import install_error_handlers
from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.config.secrets import new_key
from app.core.database import get_database
from app.core.exceptions import AppException
from app.core.logging import configure_logging, get_logger, log_error
from app.core.secrets import SecretsService, make_secrets_service
from app.core.uow import atomic
from tests.traces import find_in_traceback

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("app")]

# Of no shape that redaction knows, so that nothing but care keeps it back.
VALUE = "Planted Value of 7 Words, and Unmistakable"
KEY = new_key("k1").get_secret_value()
SPELLINGS = (
    VALUE,
    VALUE.encode().hex(),
    base64.b64encode(VALUE.encode()).decode().rstrip("="),
    KEY.split(":")[1],
    base64.b64decode(KEY.split(":")[1]).hex(),
    repr(base64.b64decode(KEY.split(":")[1]))[2:-1],
)


@pytest.fixture
def service() -> SecretsService:
    return make_secrets_service(
        SecretsSettings(keys=SecretStr(KEY)), IntegrationsSettings(external_api_keys=SecretStr(f"x={VALUE[:24]}"))
    )


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that any logger writes, SQLAlchemy's statements and rows included."""
    stream = io.StringIO()
    root, engines = logging.getLogger(), logging.getLogger("sqlalchemy.engine")
    before = root.handlers, root.level, engines.level
    configure_logging(level="DEBUG", json_lines=True, stream=stream)
    engines.setLevel(logging.DEBUG)
    yield stream
    root.handlers = before[0]
    root.setLevel(before[1])
    engines.setLevel(before[2])


def assert_clean(shown: str) -> None:
    for spelling in SPELLINGS:
        assert spelling not in shown


async def put(service: SecretsService) -> None:
    async with get_database().session() as session, atomic(session):
        await service.set_api_key(session, "acme", "openai", SecretStr(VALUE))


async def get(service: SecretsService) -> SecretStr:
    async with get_database().read_session() as session:
        return await service.get_api_key(session, "acme", "openai")


async def test_neither_the_table_nor_the_log_nor_a_repr_holds_it(
    scratch: AsyncEngine, service: SecretsService, log: io.StringIO
) -> None:
    await put(service)
    found = await get(service)
    get_logger("tests").info("found", key=found, extra={"nested": {"found": found, "service": service}})
    async with get_database().read_session() as session:
        listed = await service.list(session, "acme")

    async with scratch.connect() as connection:
        rows = (await connection.execute(text("SELECT secrets::text, encode(envelope, 'base64') FROM secrets"))).all()
    assert len(rows) == 1
    assert "INSERT INTO secrets" in log.getvalue(), "the statements were logged"
    assert found.get_secret_value() == VALUE
    for shown in (rows, found, str(found), service, vars(service), listed):
        assert_clean(repr(shown))
    assert_clean(log.getvalue())


async def test_no_failure_shows_it(scratch: AsyncEngine, service: SecretsService, log: io.StringIO) -> None:
    """Each way to fail: what is raised, its causes, the log of it, and the local variables on the way."""
    await put(service)
    raised: list[AppException] = []

    async def failing(work: object, statement: str, undo: str) -> None:
        async with scratch.begin() as connection:
            await connection.execute(text(statement))
        with pytest.raises(AppException) as caught:
            await (put if work == "put" else get)(service)
        raised.append(caught.value)
        async with scratch.begin() as connection:
            await connection.execute(text(undo))

    alter = "UPDATE secrets SET envelope = set_byte(envelope, 20, get_byte(envelope, 20) # 1)"
    cut = "UPDATE secrets SET envelope = substr(envelope, 1, 20)"
    await failing("put", "ALTER TABLE secrets RENAME TO gone", "ALTER TABLE gone RENAME TO secrets")
    await failing("get", "ALTER TABLE secrets RENAME TO gone", "ALTER TABLE gone RENAME TO secrets")
    constraint = "ALTER TABLE secrets ADD CONSTRAINT never CHECK (false) NOT VALID"
    await failing("put", constraint, "ALTER TABLE secrets DROP CONSTRAINT never")
    await failing("get", alter, alter)
    await failing("get", cut, "DELETE FROM secrets")
    with pytest.raises(AppException) as caught:
        async with get_database().session() as session:
            await service.set_api_key(session, "acme", "openai", SecretStr(VALUE * 1000))
    raised.append(caught.value)

    for error in raised:
        log_error(get_logger("tests"), error)
        assert_clean(f"{error} {error!r} {error.to_dict()}")
        for spelling in SPELLINGS:
            assert find_in_traceback(error, spelling) == []
    events = [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    assert events.count("error") == len(raised)
    assert_clean(log.getvalue())


async def test_an_answer_tells_nothing_of_what_is_wrong(
    scratch: AsyncEngine, service: SecretsService, log: io.StringIO
) -> None:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    async def route() -> str:
        return (await get(service)).get_secret_value()[:0]

    await put(service)
    async with scratch.begin() as connection:
        await connection.execute(text("UPDATE secrets SET envelope = envelope || 'x'"))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/")

    assert response.status_code == 500
    for word in ("secret", "acme", "openai", "k1", "SECRET_", "altered"):
        assert word not in response.text
    support_id = response.json()["request_id"]
    line = next(line for line in log.getvalue().splitlines() if support_id in line)
    assert "SECRET_TAMPERED" in line
    assert "/organizations/acme/openai_api_key" in line
