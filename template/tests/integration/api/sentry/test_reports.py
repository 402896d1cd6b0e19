"""What reaches Sentry of a request that fails: all that helps, once, under the id that the caller was given."""

import socket
from importlib.metadata import version

import pytest

from app.core.cache import MemoryBackend
from app.core.config import ApplicationSettings
from app.wiring import DISTRIBUTION
from tests.integration.api.sentry.applications import EXPECTED, reporting
from tests.servers.sentry import sentry_server

pytestmark = pytest.mark.anyio

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_bug_is_one_event_that_tells_everything(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        answer = await client.get("/lab/bugs/7", params={"q": "x"})

    assert answer.status_code == 500
    support_id = answer.json()["request_id"]
    event = sentry.event
    inner, outer = event["exception"]["values"]
    assert (inner["type"], inner["value"]) == ("IndexError", "list index out of range")
    assert (outer["type"], outer["value"]) == ("RuntimeError", "nothing in stock")
    assert outer["mechanism"]["type"] == "monitor"
    assert outer["stacktrace"]["frames"][-1]["function"] == "fail"
    own = [frame for frame in outer["stacktrace"]["frames"] if frame["module"].startswith("app.")]
    assert all(frame["in_app"] and frame["context_line"] and frame["pre_context"] for frame in own)
    assert own
    assert event["tags"] == {
        "request_id": support_id,
        "support_id": support_id,
        "method": "GET",
        "route": "/lab/bugs/{number}",
    }
    assert event["transaction"] == "GET /lab/bugs/{number}"
    assert event["request"] == {"method": "GET", "url": "/lab/bugs/{number}"}
    assert event["user"] == {"id": "user-7"}
    (crumb,) = event["breadcrumbs"]["values"]
    assert (crumb["message"], crumb["category"], crumb["data"]) == ("asked the stock", "http", {"status": 502})
    assert event["level"] == "error"
    assert event["release"] == f"{DISTRIBUTION}@{version(DISTRIBUTION)}"
    assert event["environment"] == "development"
    assert event["server_name"] == socket.gethostname()
    # The log's name for the request is Sentry's for the trace.
    assert event["contexts"]["trace"]["trace_id"] == support_id


async def test_errors_of_the_application_tell_their_code(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        await client.get("/lab/queries", headers={"X-Request-ID": "chosen-by-the-caller"})

    event = sentry.event
    assert event["tags"]["error_code"] == "DATABASE_QUERY_FAILED"
    assert event["tags"]["request_id"] == "chosen-by-the-caller"
    assert event["contexts"]["application error"]["operation"] == "notes.read"
    assert event["contexts"]["application error"]["details"] == {"table": "notes"}
    assert len(event["contexts"]["trace"]["trace_id"]) == 32


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


async def test_a_caller_s_trace_is_on_the_log_and_in_the_report(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, log):
        await client.get("/lab/messages", headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})

    assert log.events("the quota is nearly used up")[0]["trace_id"] == TRACE_ID
    event = sentry.event
    assert event["contexts"]["trace"]["trace_id"] == TRACE_ID
    assert (event["message"], event["level"], event["extra"]) == (
        "the quota is nearly used up",
        "warning",
        {"left": 3},
    )
    assert event["tags"]["route"] == "/lab/messages"


async def test_a_trace_that_was_chosen_is_a_transaction_with_its_spans(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url, traces_sample_rate=1) as (client, _):
        answer = await client.get("/lab/traces")

    (transaction,) = sentry.transactions
    (span,) = transaction["spans"]
    trace = transaction["contexts"]["trace"]
    assert transaction["transaction"] == "report.render"
    assert transaction["tags"]["request_id"] == answer.headers["X-Request-ID"] == trace["trace_id"]
    assert transaction["tags"]["route"] == "/lab/traces"
    assert (span["description"], span["status"], trace["status"]) == ("report.query", "ok", "ok")
    assert (span["trace_id"], span["parent_span_id"]) == (trace["trace_id"], trace["span_id"])
    assert transaction["start_timestamp"] <= span["start_timestamp"] <= span["timestamp"] <= transaction["timestamp"]
    # What is reported within a trace hangs on it.
    assert sentry.event["contexts"]["trace"] == {"trace_id": trace["trace_id"], "span_id": trace["span_id"]}


async def test_traces_stay_here_unless_asked_for(settings: ApplicationSettings) -> None:
    async with sentry_server() as sentry, reporting(settings, sentry.url) as (client, _):
        await client.get("/lab/traces")

    assert sentry.transactions == []
    assert len(sentry.events) == 1


async def test_a_stop_that_fails_is_reported(settings: ApplicationSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: MemoryBackend) -> None:
        raise OSError("the cache would not close")

    # It is the first that is opened after the reporting begins, so that nothing is left to be closed then.
    monkeypatch.setattr(MemoryBackend, "close", fail)
    async with sentry_server() as sentry:
        with pytest.raises(OSError, match="would not close"):
            async with reporting(settings, sentry.url):
                pass

    assert sentry.event["exception"]["values"][-1]["value"] == "the cache would not close"
    assert sentry.event["tags"] == {"operation": "process.lifespan"}


async def test_nothing_is_sent_while_it_is_switched_off(settings: ApplicationSettings) -> None:
    async with (
        sentry_server() as sentry,
        reporting(settings, sentry.url, enabled=False, traces_sample_rate=1) as (client, log),
    ):
        answers = [await client.get(f"/lab/{path}") for path in ("bugs/7", "messages", "traces")]

    assert [answer.status_code for answer in answers] == [500, 200, 200]
    assert log.events("error")
    assert sentry.http.connections == 0
