"""The access log: one line for each request, which no caller can forge."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from httpx import AsyncClient

from app.core.config import ApplicationSettings
from tests.applications import running
from tests.logs import Log, captured_log

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.get("/moment")
async def moment() -> None:
    await asyncio.sleep(0.01)


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


async def test_the_access_log_has_one_line_without_the_query(api: AsyncClient, log: Log) -> None:
    await api.get("/moment?email=Xq7planted@example.org")

    (line,) = log.events("request")
    assert line["path"] == "/moment"
    assert line["logger"] == "app.access"
    assert line["status"] == 200
    assert 10 <= line["duration_ms"] < 5000
    assert "Xq7planted" not in "".join(str(line) for line in log.lines if line["logger"].startswith("app."))


@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
async def test_a_path_cannot_forge_a_line(json_lines: bool, api: AsyncClient) -> None:  # noqa: FBT001
    with captured_log(json_lines=json_lines) as log:
        await api.get("/a%0a%7b%22event%22%3a%22forged%22%7d%0d%1b%5b2J")

    ours = [line for line in log.text.split("\n") if "app.access" in line]
    assert len(ours) == 1
    assert "%0a%7b" in ours[0].lower()
    assert "\x1b" not in log.text


@pytest.mark.parametrize("path", ["/api/v1/health/live", "/api/v1/health/ready"])
async def test_probes_are_quiet(path: str, api: AsyncClient, log: Log) -> None:
    assert (await api.get(path)).status_code == 200

    assert log.events("request") == []


async def test_a_caller_that_goes_away_is_logged_as_such(api: AsyncClient, log: Log) -> None:
    with anyio.move_on_after(0.02):
        await api.get("/slow")

    (line,) = log.events("request")
    assert line["status"] == 499


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(api: AsyncClient, log: Log) -> None:
    with pytest.raises(KeyError, match="the other half"):
        await api.get("/half")

    (line,) = log.events("error")
    assert "the other half" in line["exception"]
    assert len(log.events("request")) == 1
