"""What surrounds every request: ids, headers, limits and the access log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from httpx import AsyncClient
from starlette.types import ASGIApp, Message

from app.core.config import ApiSettings, ApplicationSettings, SecuritySettings
from app.core.logging import current_request_id, get_logger
from tests.applications import running
from tests.logs import Log, captured_log

pytestmark = pytest.mark.anyio

LIMIT = 2048
ORIGIN = "https://app.example.org"
ID = IsStr(regex="[0-9a-f]{32}")

router = APIRouter()


@router.get("/whoami")
async def whoami() -> dict[str, str | None]:
    before = current_request_id()
    await asyncio.sleep(0.01)
    get_logger("app.test").info("working")
    return {"before": before, "after": current_request_id()}


@router.post("/size")
async def size(request: Request) -> int:
    return len(await request.body())


@router.post("/ignores-its-body")
async def ignores_its_body() -> str:
    return "fine"


@router.get("/bug")
async def bug() -> None:
    raise KeyError("bug")


@router.get("/page")
async def page() -> HTMLResponse:
    return HTMLResponse("<p>", headers={"X-Frame-Options": "SAMEORIGIN"})


@router.get("/cacheable")
async def cacheable() -> HTMLResponse:
    return HTMLResponse("x", media_type="text/plain", headers={"Cache-Control": "max-age=60"})


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
    wanted = {
        "api": ApiSettings(max_body_bytes=LIMIT),
        "security": SecuritySettings(cors_origins=(ORIGIN,), cors_allow_credentials=True, hsts_seconds=600),
    }
    async with running(settings.model_copy(update=wanted), router) as client:
        yield client


@pytest.fixture(scope="module")
async def plain_api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log() as log:
        yield log


async def call(client: AsyncClient, path: str, *, headers: list[tuple[bytes, bytes]], body: list[Message]) -> Any:
    """A request as a server would hand it over: what no well-behaved client sends can be sent this way."""
    sent: list[Message] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if body else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    messages = iter([*body, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    await application(client)(scope, receive, send)
    return sent


def application(client: AsyncClient) -> ASGIApp:
    return client._transport.app  # type: ignore[attr-defined,no-any-return]


def header(messages: list[Message], name: bytes) -> list[bytes]:
    return [value for each, value in messages[0]["headers"] if each == name]


@pytest.mark.parametrize("name", ["0d9f7b6c", "A.b_c-1234", "x" * 128])
async def test_a_well_formed_id_is_taken_over(name: str, plain_api: AsyncClient, log: Log) -> None:
    answer = await plain_api.get("/whoami", headers={"X-Request-ID": name})

    assert answer.headers.get_list("X-Request-ID") == [name]
    assert answer.json() == {"before": name, "after": name}
    assert [line["request_id"] for line in log.lines if line["logger"].startswith("app.")] == [name, name]


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"short",
        b"x" * 129,
        b"with space",
        b"a\nforged-line",
        b"a\r\nX-Evil: 1",
        b"12345678\n",
        b"\xff" * 8,
        b'"><script>',
    ],
)
async def test_any_other_id_is_replaced(name: bytes, plain_api: AsyncClient) -> None:
    messages = await call(plain_api, "/whoami", headers=[(b"x-request-id", name)], body=[])

    (value,) = header(messages, b"x-request-id")
    assert value.decode() == ID


async def test_of_two_ids_one_well_formed_one_is_taken(plain_api: AsyncClient) -> None:
    messages = await call(
        plain_api, "/whoami", headers=[(b"x-request-id", b"well-formed"), (b"x-request-id", b"a\nb")], body=[]
    )

    assert header(messages, b"x-request-id") == [b"well-formed"]


async def test_every_request_without_an_id_gets_one_of_its_own(plain_api: AsyncClient) -> None:
    names = {(await plain_api.get("/whoami")).headers["X-Request-ID"] for _ in range(5)}

    assert len(names) == 5
    assert all(name == ID for name in names)


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (TRACE, None),
    ],
)
async def test_the_trace_id_is_on_every_line(
    traceparent: str, trace_id: str | None, plain_api: AsyncClient, log: Log
) -> None:
    await plain_api.get("/whoami", headers={"traceparent": traceparent})

    assert [line.get("trace_id") for line in log.events("working") + log.events("request")] == [trace_id, trace_id]


async def test_requests_at_the_same_time_keep_their_ids_apart(plain_api: AsyncClient, log: Log) -> None:
    names = [f"request-{number}" for number in range(20)]

    answers = await asyncio.gather(*(plain_api.get("/whoami", headers={"X-Request-ID": name}) for name in names))

    assert [answer.json() for answer in answers] == [{"before": name, "after": name} for name in names]
    assert {line["request_id"] for line in log.events("working")} == set(names)
    assert current_request_id() is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/whoami", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/bug", 500),
        ("POST", "/size", 413),
        ("OPTIONS", "/whoami", 200),
        ("OPTIONS", "/bug", 400),
    ],
)
async def test_every_answer_has_every_header(method: str, path: str, status: int, api: AsyncClient, log: Log) -> None:
    asks = {"Origin": ORIGIN if status != 400 else "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = await api.request(method, path, headers=asks, content=b"x" * (LIMIT + 1) if status == 413 else None)

    assert answer.status_code == status
    headers = answer.headers
    assert headers["X-Request-ID"] == ID
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"] == "max-age=600; includeSubDomains"
    assert headers.get("Access-Control-Allow-Origin") == (ORIGIN if status != 400 else None)
    assert "Server" not in headers
    for name in {name.lower() for name in headers}:
        assert len(headers.get_list(name)) == 1, name
    (line,) = log.events("request")
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


async def test_a_preflight_allows_what_the_api_needs(api: AsyncClient) -> None:
    answer = await api.options(
        "/whoami",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, content-type, x-request-id",
        },
    )

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_a_page_elsewhere_can_read_the_id(api: AsyncClient) -> None:
    answer = await api.get("/whoami", headers={"Origin": ORIGIN})

    assert answer.headers["Access-Control-Expose-Headers"] == "X-Request-ID"


async def test_without_origins_and_tls_nothing_is_said_about_them(plain_api: AsyncClient) -> None:
    answer = await plain_api.get("/whoami", headers={"Origin": ORIGIN})

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers


async def test_headers_that_a_route_sets_stay(plain_api: AsyncClient) -> None:
    page = await plain_api.get("/page")
    data = await plain_api.get("/cacheable")

    assert page.headers.get_list("X-Frame-Options") == ["SAMEORIGIN"]
    assert "Content-Security-Policy" not in page.headers
    assert data.headers.get_list("Cache-Control") == ["max-age=60"]
    assert data.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_pages_of_the_documentation_may_load_their_scripts(path: str, plain_api: AsyncClient) -> None:
    answer = await plain_api.get(path)

    assert answer.status_code == 200
    assert "<script" in answer.text
    assert "Content-Security-Policy" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_body_of_the_limit_is_read(api: AsyncClient) -> None:
    assert (await api.post("/size", content=b"x" * LIMIT)).json() == LIMIT


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1024


async def test_a_body_beyond_the_limit_is_refused_announced_or_not(api: AsyncClient) -> None:
    announced = await api.post("/size", content=b"x" * (LIMIT + 1))
    in_pieces = await api.post("/size", content=pieces(3))

    for answer in (announced, in_pieces):
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Connection"] == "close"
        assert answer.json()["error_code"] == "BODY_TOO_LARGE"
        assert answer.json()["detail"] == f"The body may have at most {LIMIT} bytes."
    assert (await api.post("/size", content=pieces(2))).json() == LIMIT


async def test_no_more_than_the_limit_is_ever_read(api: AsyncClient) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 1024

    assert (await api.post("/size", content=endless())).status_code == 413
    assert read <= 4


@pytest.mark.parametrize("announced", [b"0", b"10", b"-1", b"nonsense", b"9" * 5000])
async def test_a_length_that_lies_changes_nothing(announced: bytes, api: AsyncClient) -> None:
    body: list[Message] = [{"type": "http.request", "body": b"x" * 1024, "more_body": part < 2} for part in range(3)]

    messages = await call(api, "/size", headers=[(b"content-length", announced)], body=body)

    assert messages[0]["status"] == 413


async def test_a_route_that_reads_no_body_is_not_asked_about_it(api: AsyncClient) -> None:
    assert (await api.post("/ignores-its-body", content=b"x" * (LIMIT + 1))).status_code == 200


async def test_the_access_log_has_one_line_without_the_query(plain_api: AsyncClient, log: Log) -> None:
    await plain_api.get("/whoami?email=Xq7planted@example.org")

    (line,) = log.events("request")
    assert line["path"] == "/whoami"
    assert line["logger"] == "app.access"
    assert line["status"] == 200
    assert 10 <= line["duration_ms"] < 5000
    assert "Xq7planted" not in "".join(str(line) for line in log.lines if line["logger"].startswith("app."))


@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
async def test_a_path_cannot_forge_a_line(json_lines: bool, plain_api: AsyncClient) -> None:  # noqa: FBT001
    with captured_log(json_lines=json_lines) as log:
        await plain_api.get("/a%0a%7b%22event%22%3a%22forged%22%7d%0d%1b%5b2J")

    ours = [line for line in log.text.split("\n") if "app.access" in line]
    assert len(ours) == 1
    assert "%0a%7b" in ours[0].lower()
    assert "\x1b" not in log.text


@pytest.mark.parametrize("path", ["/api/v1/health/live", "/api/v1/health/ready"])
async def test_probes_are_quiet(path: str, plain_api: AsyncClient, log: Log) -> None:
    assert (await plain_api.get(path)).status_code == 200

    assert log.events("request") == []


async def test_a_caller_that_goes_away_is_logged_as_such(plain_api: AsyncClient, log: Log) -> None:
    with anyio.move_on_after(0.02):
        await plain_api.get("/slow")

    (line,) = log.events("request")
    assert line["status"] == 499


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(plain_api: AsyncClient, log: Log) -> None:
    with pytest.raises(KeyError, match="the other half"):
        await plain_api.get("/half")

    (line,) = log.events("error")
    assert "the other half" in line["exception"]
    assert len(log.events("request")) == 1
