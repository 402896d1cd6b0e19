"""`app serve` with a Sentry: a process that stops sends what it has not sent yet, and a hung Sentry holds up neither
its requests nor its stop."""

import asyncio
import time
from pathlib import Path

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.integration.cli.servers import LIMIT_SECONDS, get, processes, start, until
from tests.servers.http import Answer, hang, reply

pytestmark = pytest.mark.anyio
servers = pytest.importorskip("tests.servers.sentry", reason="a project without Sentry")

FLUSH_SECONDS = 1.0
# What starting to stop, closing the database and a busy machine may add.
MARGIN_SECONDS = 5.0
REQUESTS = 20


@pytest.fixture
async def broken(on_migrated: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have servers work on a database that lacks a table, which is a failure that is not foreseen."""
    engine = create_async_engine(on_migrated)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE users RENAME TO people"))
    await engine.dispose()
    monkeypatch.setenv("AUTH_LOGIN_ATTEMPTS", "1000")


@pytest.mark.parametrize(("answer", "arrives"), [(reply(200), REQUESTS), (hang(), 1)], ids=["well", "hung"])
async def test_requests_and_the_stop_take_their_time_and_no_more(
    answer: Answer, arrives: int, broken: None, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with servers.sentry_server(answer) as sentry:
        monkeypatch.setenv("SENTRY_ENABLED", "true")
        monkeypatch.setenv("SENTRY_DSN", servers.dsn_of(sentry.url).get_secret_value())
        monkeypatch.setenv("SENTRY_FLUSH_SECONDS", str(FLUSH_SECONDS))
        process, port = start(project, "serve")
        try:
            assert await asyncio.to_thread(until, lambda: get(port, "/api/v1/health/live"))
            slowest, support_ids = 0.0, []
            async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_SECONDS) as client:
                for _ in range(REQUESTS):
                    began = time.perf_counter()
                    failed = await client.post(
                        "/api/v1/auth/login", json={"email": "ada@example.com", "password": "Xq7planted"}
                    )
                    slowest = max(slowest, time.perf_counter() - began)
                    assert failed.status_code == 500
                    support_ids.append(failed.json()["request_id"])
            began = time.perf_counter()
            process.terminate()
            _, said = await asyncio.to_thread(process.communicate, timeout=LIMIT_SECONDS)
            stop = time.perf_counter() - began
        finally:
            process.kill()
            process.wait()
        received = [event["tags"]["support_id"] for event in sentry.events]

    assert slowest < MARGIN_SECONDS
    assert stop < FLUSH_SECONDS + MARGIN_SECONDS
    assert arrives > 1 or stop > FLUSH_SECONDS
    assert received == support_ids[:arrives]
    assert "planted" not in sentry.text
    assert "Traceback" not in said
    assert not processes(project)
