"""Secrets that must not leave: planted in each place that a report could read, and looked for in all reports."""

import pytest
import sentry_sdk
from fastapi import APIRouter, Request
from sqlalchemy import text

from app.core import monitor
from app.core.config import ApplicationSettings
from app.core.database import get_async_session
from app.core.exceptions import DatabaseQueryError
from app.core.http import fetch_with_retry
from tests.integration.api.sentry.applications import reporting
from tests.servers.http import faulty_server, reply
from tests.servers.sentry import sentry_server

pytestmark = pytest.mark.anyio

PLANTED = "Xq7planted"
KEY_OF_A_PROVIDER = f"sk_live_{PLANTED}0123456789"
TOKEN = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{PLANTED}"

router = APIRouter(prefix="/planted")


class Sealed:
    """The value of a local variable, which is in plain sight where it is printed."""

    def __repr__(self) -> str:
        return PLANTED


def complain(about: str) -> None:
    raise ValueError(f"password={PLANTED} among {about}, {TOKEN}")


@router.post("/{key}")
async def fail(key: str, request: Request, url: str) -> None:
    local, body = Sealed(), await request.body()
    async with get_async_session() as session:
        await (await session.orm()).execute(text("SELECT CAST(:given AS text)"), {"given": PLANTED})
    await fetch_with_retry("GET", url, service="stock", params={"q": PLANTED}, headers={"X-Plain": PLANTED})
    sentry_sdk.add_breadcrumb(message=f"password={PLANTED}", data={"token": PLANTED})
    monitor.set_user(1, email=f"{PLANTED}@example.org", username=PLANTED)
    monitor.add_breadcrumb(
        f"GET https://ada:{PLANTED}@example.org/", data={"api_key": PLANTED, "deep": [{"Authorization": PLANTED}]}
    )
    monitor.capture_message(f"Bearer {PLANTED}", context={"cookie": PLANTED, "text": KEY_OF_A_PROVIDER})
    with monitor.trace(f"password={PLANTED}"):
        pass
    try:
        complain(f"{len(key)} and {len(body)} and {type(local)}")
    except ValueError as err:
        err.add_note(f"token: {PLANTED}")
        raise DatabaseQueryError(
            f"postgresql://app:{PLANTED}@db/app refused", details={"secret": PLANTED, "key": KEY_OF_A_PROVIDER}
        ) from err


async def test_nothing_secret_or_personal_is_in_what_sentry_gets(settings: ApplicationSettings) -> None:
    async with (
        sentry_server() as sentry,
        faulty_server(reply(200)) as stock,
        reporting(settings, sentry.url, router, traces_sample_rate=1) as (client, _),
    ):
        answer = await client.post(
            f"/planted/{PLANTED}",
            params={"q": PLANTED, "url": stock.url},
            json={"name": PLANTED},
            headers={"Authorization": f"Bearer {TOKEN}", "X-Plain": PLANTED, "Cookie": f"session={PLANTED}"},
        )

    assert answer.status_code == 500
    assert PLANTED in stock.requests[0].target
    assert (len(sentry.events), len(sentry.transactions)) == (2, 1)
    assert PLANTED not in sentry.text
    error = sentry.events[1]
    # What is left still says what happened.
    assert [each["type"] for each in error["exception"]["values"]] == ["ValueError", "DatabaseQueryError"]
    assert error["exception"]["values"][1]["value"] == "postgresql://[redacted]@db/app refused"
    assert sentry.events[0]["extra"] == {"cookie": "[redacted]", "text": "[redacted]"}
    assert {crumb.get("category") for crumb in error["breadcrumbs"]["values"]} >= {"query", "httplib", "default"}
    assert all("vars" not in frame for each in error["exception"]["values"] for frame in each["stacktrace"]["frames"])
    assert error["request"] == {"method": "POST", "url": "/planted/{key}"}
