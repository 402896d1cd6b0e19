"""The context of a request: its id, its trace, its line in the access log, and those of its slow statements."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from dirty_equals import IsStr
from fastapi import APIRouter
from httpx import AsyncClient
from sqlalchemy import text

from app.core.config import ApplicationSettings
from app.core.database import Statement, get_database
from app.core.logging import current_request_id, get_logger
from tests.applications import running
from tests.logs import Log, at_most, captured_log

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

router = APIRouter()
_ONE = Statement(text("SELECT 'one' FROM pg_sleep(0.06)"), str)


@router.get("/whoami")
async def whoami() -> dict[str, str | None]:
    before = current_request_id()
    await asyncio.sleep(0.01)
    get_logger("app.test").info("working")
    return {"before": before, "after": current_request_id()}


@router.get("/slow")
async def slow() -> None:
    await asyncio.sleep(30)


@router.get("/naps/{number}")
async def nap(number: int) -> None:
    for _ in range(number):
        await get_database().reader.one(_ONE)


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


async def test_access_log_has_one_line_without_the_query(api: AsyncClient, log: Log) -> None:
    await api.get("/whoami?email=Xq7planted@example.org")

    (line,) = log.events("request")
    assert (line["logger"], line["path"], line["status"]) == ("app.access", "/whoami", 200)
    assert 10 <= line["duration_ms"] < 5000
    assert "Xq7planted" not in "".join(str(line) for line in log.lines if line["logger"].startswith("app."))


@pytest.mark.parametrize("path", ["/api/v1/health/live", "/api/v1/health/ready"])
async def test_access_log_leaves_probes_out(path: str, api: AsyncClient, log: Log) -> None:
    assert (await api.get(path)).status_code == 200

    assert log.events("request") == []


async def test_access_log_has_499_for_a_caller_that_goes_away(api: AsyncClient, log: Log) -> None:
    with anyio.move_on_after(0.02):
        await api.get("/slow")

    assert [line["status"] for line in log.events("request")] == [499]


@pytest.mark.parametrize(
    "name", [b"short", b"x" * 129, b"a\nforged-line", b"a\r\nX-Evil: 1", b"\xff" * 8, b'"><script>']
)
async def test_request_id_of_a_caller_is_replaced_where_it_is_not_well_formed(name: bytes, api: AsyncClient) -> None:
    answer = await api.get("/whoami", headers=[(b"X-Request-ID", name)])

    assert answer.headers.get_list("X-Request-ID") == [IsStr(regex="[0-9a-f]{32}")]


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (TRACE, None),
    ],
)
async def test_trace_id_of_a_caller_is_on_every_line(
    traceparent: str, trace_id: str | None, api: AsyncClient, log: Log
) -> None:
    await api.get("/whoami", headers={"traceparent": traceparent})

    assert [line.get("trace_id") for line in log.events("working") + log.events("request")] == [trace_id, trace_id]


async def test_request_ids_of_callers_are_kept_and_kept_apart(api: AsyncClient, log: Log) -> None:
    names = ["0d9f7b6c", "A.b_c-1234", "x" * 128, *(f"request-{number}" for number in range(20))]

    answers = await asyncio.gather(*(api.get("/whoami", headers={"X-Request-ID": name}) for name in names))

    assert [answer.headers.get_list("X-Request-ID") for answer in answers] == [[name] for name in names]
    assert [answer.json() for answer in answers] == [{"before": name, "after": name} for name in names]
    for event in ("working", "request"):
        assert sorted(line["request_id"] for line in log.events(event)) == sorted(names)
    assert current_request_id() is None


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
