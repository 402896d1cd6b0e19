"""The context of a request: its id, its trace, and its line in the access log, which no caller can forge."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from dirty_equals import IsStr
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from httpx import AsyncClient

from app.core.config import ApplicationSettings
from app.core.logging import current_request_id, get_logger
from tests.applications import running
from tests.logs import Log, captured_log

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

router = APIRouter()


@router.get("/whoami")
async def whoami() -> dict[str, str | None]:
    before = current_request_id()
    await asyncio.sleep(0.01)
    get_logger("app.test").info("working")
    return {"before": before, "after": current_request_id()}


@router.get("/half")
async def half() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise KeyError("the other half")

    return StreamingResponse(parts())


@router.get("/slow")
async def slow() -> None:
    await asyncio.sleep(30)


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


@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
async def test_access_log_cannot_be_forged_by_a_path(json_lines: bool, api: AsyncClient) -> None:  # noqa: FBT001
    with captured_log(json_lines=json_lines) as log:
        await api.get("/a%0a%7b%22event%22%3a%22forged%22%7d%0d%1b%5b2J")

    (line,) = [line for line in log.text.split("\n") if "app.access" in line]
    assert "%0a%7b" in line.lower()
    assert "\x1b" not in log.text


@pytest.mark.parametrize("path", ["/api/v1/health/live", "/api/v1/health/ready"])
async def test_access_log_leaves_probes_out(path: str, api: AsyncClient, log: Log) -> None:
    assert (await api.get(path)).status_code == 200

    assert log.events("request") == []


async def test_access_log_has_499_for_a_caller_that_goes_away(api: AsyncClient, log: Log) -> None:
    with anyio.move_on_after(0.02):
        await api.get("/slow")

    assert [line["status"] for line in log.events("request")] == [499]


async def test_answer_that_breaks_off_is_not_taken_for_a_whole_one(api: AsyncClient, log: Log) -> None:
    with pytest.raises(KeyError, match="the other half"):
        await api.get("/half")

    assert [line["exception"].rpartition("KeyError")[2] for line in log.events("error")] == [": 'the other half'"]
    assert len(log.events("request")) == 1


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
