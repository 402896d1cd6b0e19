"""Statements of routes: how many a route takes, and the log's line of a slow one."""

import pytest
from fastapi import APIRouter
from httpx import AsyncClient
from sqlalchemy import text

from app.core.config import ApplicationSettings
from app.core.database import Statement, get_database
from tests.applications import running
from tests.logs import captured_log
from tests.statements import at_most

pytestmark = pytest.mark.anyio

router = APIRouter()
_ONE = Statement(text("SELECT 'one' FROM pg_sleep(0.06)"), str)


@router.get("/naps/{number}")
async def nap(number: int) -> None:
    for _ in range(number):
        await get_database().reader.one(_ONE)


async def test_slow_statement_is_a_warning_with_its_route(settings: ApplicationSettings) -> None:
    database = settings.database.model_copy(update={"slow_statement_seconds": 0.05})
    async with running(settings.model_copy(update={"database": database}), router) as api:
        with captured_log() as log:
            await api.get("/naps/1?word=Xq7planted")
        with pytest.raises(pytest.fail.Exception, match="3 statements, where at most 2"), at_most(2):
            await api.get("/naps/3")

    (line,) = log.events("query")
    assert (line["level"], line["route"], line["rows"]) == ("warning", "/naps/{number}", 1)
    assert (line["statement"], "planted" in str(line)) == (_ONE.sql, False)


async def test_get_current_user_takes_one_statement(client: AsyncClient) -> None:
    # One request every few seconds also asks which sessions have ended.
    with at_most(2):
        assert (await client.get("/api/v1/users/me")).status_code == 200
