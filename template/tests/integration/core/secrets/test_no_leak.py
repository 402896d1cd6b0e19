"""A planted value and the key it is encrypted with: looked for wherever something could show them."""

import base64
import io
import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config.secrets import new_key, parse_keys
from app.core.database import get_database
from app.core.exceptions import AppException
from app.core.logging import configure_logging, get_logger, log_error
from app.core.secrets import SecretsService
from app.core.uow import unit_of_work
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
ALTER = "UPDATE secrets SET envelope = set_byte(envelope, 20, get_byte(envelope, 20) # 1)"
HIDE, SHOW = "ALTER TABLE secrets RENAME TO gone", "ALTER TABLE gone RENAME TO secrets"
FORBID = "ALTER TABLE secrets ADD CONSTRAINT never CHECK (false) NOT VALID"


@pytest.fixture
def service() -> SecretsService:
    return SecretsService(keys=parse_keys(SecretStr(KEY)), environment={"x": SecretStr(VALUE)})


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


async def put(service: SecretsService, value: str = VALUE) -> None:
    async with unit_of_work() as uow:
        await service.set_api_key(uow.session, "acme", "openai", SecretStr(value))


async def get(service: SecretsService) -> SecretStr:
    async with get_database().read_session() as session:
        return await service.get_api_key(session, "acme", "openai")


async def test_no_failure_shows_it(scratch: AsyncEngine, service: SecretsService, log: io.StringIO) -> None:
    """Each way to fail: what is raised, its causes, the log of it, and the local variables on the way."""
    await put(service)
    found = await get(service)
    get_logger("tests").info("found", key=found, extra={"nested": {"found": found, "service": service}})
    async with scratch.connect() as connection:
        rows = (await connection.execute(text("SELECT secrets::text, encode(envelope, 'base64') FROM secrets"))).all()
    assert found.get_secret_value() == VALUE
    assert_clean(f"{rows!r} {found!r} {found} {service!r} {vars(service)!r}")

    raised: list[AppException] = []
    for work, statement, undo in (
        (put, HIDE, SHOW),
        (get, HIDE, SHOW),
        (put, FORBID, "ALTER TABLE secrets DROP CONSTRAINT never"),
        (get, ALTER, ALTER),
        (get, "UPDATE secrets SET envelope = substr(envelope, 1, 20)", "DELETE FROM secrets"),
    ):
        async with scratch.begin() as connection:
            await connection.execute(text(statement))
        with pytest.raises(AppException) as caught:
            await work(service)
        raised.append(caught.value)
        async with scratch.begin() as connection:
            await connection.execute(text(undo))
    with pytest.raises(AppException) as caught:
        await put(service, VALUE * 1000)
    raised.append(caught.value)

    for error in raised:
        log_error(get_logger("tests"), error)
        assert_clean(f"{error} {error!r} {error.to_dict()}")
        for spelling in SPELLINGS:
            assert find_in_traceback(error, spelling) == []
    assert log.getvalue().count('"event":"error"') == len(raised)
    assert "INSERT INTO secrets" in log.getvalue(), "the statements were logged"
    assert_clean(log.getvalue())
