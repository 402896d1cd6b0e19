"""Reports of requests: all that helps, once, under the id that the caller was given."""

import asyncio
import contextvars
import socket
import subprocess
import sys
from importlib.metadata import version

import pytest

from app.core import monitor
from app.core.config import ApplicationSettings
from app.core.events import EventBus
from app.wiring import DISTRIBUTION
from tests.integration.api.sentry.applications import EXPECTED, reporting
from tests.servers.http import faulty_server, reply
from tests.servers.sentry import sentry_server

pytestmark = pytest.mark.anyio

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

# A start and a stop with Sentry switched off, in a fresh interpreter.
START = """
import asyncio, sys
from app.main import create_app
from app.wiring import open_services
from tests.factories import make_settings

async def start():
    async with open_services(make_settings(database_url="postgresql://127.0.0.1/none")):
        pass

asyncio.run(start())
raise SystemExit("sentry_sdk" in sys.modules)
"""


async def test_a_bug_is_one_event_that_tells_everything(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, log):
        answer = await client.get("/lab/bugs/7", params={"q": "x"})

    assert answer.status_code == 500
    assert len(log.events("error")) == 1
    support_id = answer.json()["request_id"]
    event = sentry.event
    inner, outer = event["exception"]["values"]
    assert (inner["type"], inner["value"]) == ("IndexError", "list index out of range")
    assert (outer["type"], outer["value"]) == ("RuntimeError", "nothing in stock")
    assert outer["stacktrace"]["frames"][-1]["function"] == "fail"
    own = [frame for frame in outer["stacktrace"]["frames"] if frame["module"].startswith("app.")]
    assert all(frame["in_app"] and frame["context_line"] and frame["pre_context"] for frame in own)
    assert own
    assert event["tags"] == {"request_id": support_id, "support_id": support_id}
    assert event["transaction"] == "/lab/bugs/{number}"
    assert event["request"] == {"method": "GET", "url": "/lab/bugs/{number}"}
    assert event["user"] == {"id": "user-7"}
    (crumb,) = event["breadcrumbs"]["values"]
    assert (crumb["message"], crumb["category"], crumb["data"]) == ("asked the stock", "http", {"status": 502})
    assert event["level"] == "error"
    assert event["release"] == f"{DISTRIBUTION}@{version(DISTRIBUTION)}"
    assert event["environment"] == "development"
    assert event["server_name"] == socket.gethostname()


async def test_errors_of_the_application_tell_their_code(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        await client.get("/lab/queries", headers={"X-Request-ID": "chosen-by-the-caller"})

    event = sentry.event
    assert event["tags"]["error_code"] == "DATABASE_QUERY_FAILED"
    assert event["tags"]["request_id"] == "chosen-by-the-caller"
    assert event["contexts"]["application error"]["operation"] == "notes.read"
    assert event["contexts"]["application error"]["details"] == {"table": "notes"}


async def test_an_error_that_was_foreseen_is_none_of_sentry_s_business(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, log):
        answers = [(await client.get(f"/lab/expected/{name}")).status_code for name in EXPECTED]
        answers.append((await client.get("/nowhere")).status_code)

    assert answers == [404, 503, 503, 404]
    assert log.events("error")
    assert sentry.events == []


async def test_a_handler_that_fails_is_reported_once_with_the_request_it_goes_back_to(
    settings: ApplicationSettings,
) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        answer = await client.get("/lab/bell")

    assert answer.status_code == 200
    event = sentry.event
    assert event["exception"]["values"][-1]["value"] == "too loud"
    assert event["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert event["tags"]["event_type"] == "bell.rung"
    assert event["tags"]["operation"] == "events.deliver"
    assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == ["heard the bell"]
    assert "user" not in event


async def test_settings_name_the_installation_and_let_personal_data_out(settings: ApplicationSettings) -> None:
    names = {"environment": "eu-1", "release": "shop-2026.11"}
    async with (
        sentry_server() as sentry,
        reporting(settings, sentry.url, send_personal_data=True, **names) as (client, _),
    ):
        await client.get("/lab/bugs/7")

    assert sentry.event["user"] == {"id": "user-7", "email": "ada@example.org", "username": "ada"}
    assert (sentry.event["environment"], sentry.event["release"]) == ("eu-1", "shop-2026.11")


async def test_capture_message_has_its_level_facts_and_the_caller_s_trace(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, log):
        await client.get("/lab/messages", headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})

    assert log.events("the quota is nearly used up")[0]["trace_id"] == TRACE_ID
    event = sentry.event
    assert event["tags"]["trace_id"] == TRACE_ID
    assert (event["message"], event["level"], event["extra"]["left"]) == ("the quota is nearly used up", "warning", 3)
    assert event["transaction"] == "/lab/messages"


async def test_the_sdk_s_own_capture_message_works_as_documented(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        answer = await client.get("/lab/documented")

    assert sentry.event["message"] == "by the SDK itself"
    assert sentry.event["tags"]["request_id"] == answer.headers["X-Request-ID"]


async def test_a_request_is_a_transaction_and_its_query_and_outgoing_call_are_spans(
    settings: ApplicationSettings,
) -> None:
    async with (
        sentry_server() as sentry,
        faulty_server(reply(200)) as stock,
        reporting(settings, sentry.url, traces_sample_rate=1) as (client, _),
    ):
        answer = await client.get("/lab/work", params={"url": f"{stock.url}/chairs"})
        await client.get("/nowhere/planted")

    done, lost = sentry.transactions
    assert (done["transaction"], lost["transaction"]) == ("/lab/work", "no route")
    assert done["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert done["contexts"]["trace"]["status"] == "ok"
    kinds = [(span["op"], span["description"]) for span in done["spans"]]
    # One of each: there are two that could see a query.
    assert [text for op, text in kinds if op == "db" and "SELECT CAST" in text] == ["SELECT CAST($1 AS text)"]
    assert [text for op, text in kinds if op == "http.client"] == [f"GET {stock.url}/chairs"]
    assert ("function", "report.render") in kinds
    # What is reported within a trace hangs on it.
    (render,) = [span for span in done["spans"] if span["description"] == "report.render"]
    assert sentry.event["contexts"]["trace"]["span_id"] == render["span_id"]
    assert "planted" not in sentry.text
    assert not {"baggage", "sentry-trace"} & set(stock.requests[0].headers)


async def test_no_caller_decides_what_is_traced_while_traces_are_off(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        await client.get("/lab/messages", headers={"sentry-trace": f"{TRACE_ID}-00f067aa0ba902b7-1"})

    assert sentry.transactions == []
    assert len(sentry.events) == 1


async def test_a_trace_outside_of_a_request_is_a_transaction(settings: ApplicationSettings) -> None:
    async def render() -> None:
        with monitor.trace("report.render"), monitor.trace("report.query"):
            pass

    async with sentry_server() as sentry, reporting(settings, sentry.url, traces_sample_rate=1):
        # As in a process of its own: the tests of this one have been inside of requests.
        await asyncio.create_task(render(), context=contextvars.Context())

    (transaction,) = sentry.transactions
    assert transaction["transaction"] == "report.render"
    assert [span["description"] for span in transaction["spans"]] == ["report.query"]


async def test_a_stop_that_fails_is_reported(settings: ApplicationSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: EventBus, drain_seconds: float) -> None:
        raise OSError(f"the bus would not stop in {drain_seconds} s")

    monkeypatch.setattr(EventBus, "stop", fail)
    async with sentry_server() as sentry:
        with pytest.raises(OSError, match="would not stop"):
            async with reporting(settings, sentry.url):
                pass

    assert sentry.event["exception"]["values"][-1]["value"].startswith("the bus would not stop")
    assert sentry.event["tags"] == {"operation": "process.lifespan"}


async def test_nothing_is_sent_while_it_is_switched_off(settings: ApplicationSettings) -> None:
    async with (
        sentry_server() as sentry,
        reporting(settings, sentry.url, enabled=False, traces_sample_rate=1) as (client, log),
    ):
        answers = [await client.get(f"/lab/{path}") for path in ("bugs/7", "messages")]

    assert [answer.status_code for answer in answers] == [500, 200]
    assert log.events("error")
    assert sentry.http.connections == 0


@pytest.mark.process
def test_a_process_without_sentry_does_not_load_the_sdk() -> None:
    subprocess.run([sys.executable, "-c", START], check=True)
