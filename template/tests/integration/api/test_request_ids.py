"""Every request has an id, and a trace if its caller has one: in its answer and on every line logged for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter
from httpx import AsyncClient

from app.core.config import ApplicationSettings
from app.core.logging import current_request_id, get_logger
from tests.applications import running
from tests.logs import Log

pytestmark = pytest.mark.anyio

ID = IsStr(regex="[0-9a-f]{32}")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

router = APIRouter()


@router.get("/whoami")
async def whoami() -> dict[str, str | None]:
    before = current_request_id()
    await asyncio.sleep(0.01)
    get_logger("app.test").info("working")
    return {"before": before, "after": current_request_id()}


@pytest.fixture(scope="module")
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


@pytest.mark.parametrize("name", ["0d9f7b6c", "A.b_c-1234", "x" * 128])
async def test_a_well_formed_id_is_taken_over(name: str, api: AsyncClient, log: Log) -> None:
    answer = await api.get("/whoami", headers={"X-Request-ID": name})

    assert answer.headers.get_list("X-Request-ID") == [name]
    assert answer.json() == {"before": name, "after": name}
    assert [line["request_id"] for line in log.lines if line["logger"].startswith("app.")] == [name, name]


@pytest.mark.parametrize(
    "name",
    [
        b"short",
        b"x" * 129,
        b"a\nforged-line",
        b"a\r\nX-Evil: 1",
        b"\xff" * 8,
        b'"><script>',
    ],
)
async def test_any_other_id_is_replaced(name: bytes, api: AsyncClient) -> None:
    answer = await api.get("/whoami", headers=[(b"X-Request-ID", name)])

    assert answer.headers.get_list("X-Request-ID") == [ID]


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (TRACE, None),
    ],
)
async def test_the_trace_id_is_on_every_line(
    traceparent: str, trace_id: str | None, api: AsyncClient, log: Log
) -> None:
    await api.get("/whoami", headers={"traceparent": traceparent})

    assert [line.get("trace_id") for line in log.events("working") + log.events("request")] == [trace_id, trace_id]


async def test_requests_at_the_same_time_keep_their_ids_apart(api: AsyncClient, log: Log) -> None:
    names = [f"request-{number}" for number in range(20)]

    answers = await asyncio.gather(*(api.get("/whoami", headers={"X-Request-ID": name}) for name in names))

    assert [answer.json() for answer in answers] == [{"before": name, "after": name} for name in names]
    assert {line["request_id"] for line in log.events("working")} == set(names)
    assert current_request_id() is None
