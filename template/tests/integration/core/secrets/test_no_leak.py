"""A planted value and the key it is encrypted with: looked for wherever something could show them."""

import base64
import logging

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config.secrets import new_key
from app.core.database import get_async_session
from app.core.exceptions import AppException
from app.core.logging import get_logger, log_error
from app.core.secrets import SecretsService
from tests.logs import captured_log
from tests.stored_secrets import make_service, put
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


def assert_clean(shown: str) -> None:
    for spelling in SPELLINGS:
        assert spelling not in shown


async def put_it(service: SecretsService) -> None:
    await put(service, VALUE, "acme")


async def get_it(service: SecretsService) -> SecretStr:
    async with get_async_session() as session:
        return await service.get_api_key(session, "acme", "openai")


async def execute(engine: AsyncEngine, statement: str) -> object:
    async with engine.begin() as connection:
        done = await connection.execute(text(statement))
        return done.all() if done.returns_rows else None


async def test_no_failure_shows_it(scratch: AsyncEngine, caplog: pytest.LogCaptureFixture) -> None:
    """Each way to fail: what is raised, its causes, the log of it, and the local variables on the way."""
    service = make_service(KEY, x=VALUE)
    raised: list[AppException] = []
    # The statements and rows of SQLAlchemy, too.
    caplog.set_level(logging.DEBUG, "sqlalchemy.engine")
    with captured_log(level="DEBUG") as log:
        await put_it(service)
        found = await get_it(service)
        get_logger("tests").info("found", key=found, extra={"nested": {"found": found, "service": service}})
        rows = await execute(scratch, "SELECT secrets::text, encode(envelope, 'base64') FROM secrets")
        assert found.get_secret_value() == VALUE
        assert_clean(f"{rows!r} {found!r} {found} {service!r} {vars(service)!r}")

        for work, change, undo in (
            (put_it, HIDE, SHOW),
            (get_it, HIDE, SHOW),
            (put_it, FORBID, "ALTER TABLE secrets DROP CONSTRAINT never"),
            (get_it, ALTER, ALTER),
            (get_it, "UPDATE secrets SET envelope = substr(envelope, 1, 20)", "DELETE FROM secrets"),
        ):
            await execute(scratch, change)
            with pytest.raises(AppException) as caught:
                await work(service)
            raised.append(caught.value)
            await execute(scratch, undo)
        with pytest.raises(AppException) as caught:
            await put(service, VALUE * 1000, "acme")
        raised.append(caught.value)
        for error in raised:
            log_error(get_logger("tests"), error)
            assert_clean(f"{error} {error!r} {error.to_dict()}")
            assert [find_in_traceback(error, spelling) for spelling in SPELLINGS] == [[]] * len(SPELLINGS)

    assert len(log.events("error")) == len(raised)
    assert "INSERT INTO secrets" in log.text, "the statements were logged"
    assert_clean(log.text)
