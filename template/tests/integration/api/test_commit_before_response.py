"""`UnitOfWork`, `WriteSession` and `ReadSession` of routes: a commit that fails is an error answer."""

from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
import pytest
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from httpx import AsyncClient
from sqlalchemy import text

from app.api.dependencies import ReadSession, UnitOfWork, WriteSession
from app.core import database
from app.core.config import ApplicationSettings
from app.core.database import Statement, get_database, get_database_stats
from app.core.uow import atomic
from tests.applications import running
from tests.databases import DatabaseServer
from tests.logs import captured_log
from tests.problems import problem

pytestmark = pytest.mark.anyio

NOTES = "/notes"
INSERT = Statement(text("INSERT INTO doodles VALUES (:word) RETURNING word"), str)
WORDS = Statement(text("SELECT word FROM doodles"), str)

router = APIRouter()


@router.post(NOTES)
async def write_note(word: str, uow: UnitOfWork) -> dict[str, str]:
    await uow.session.execute(INSERT, word=word)
    return {"word": word}


@router.post(f"{NOTES}/in-blocks")
async def write_two_notes(session: WriteSession) -> None:
    async with atomic(session):
        await session.execute(INSERT, word="table")
    await session.execute(INSERT, word="chair")


@router.post(f"{NOTES}/late")
async def write_two_notes_and_answer_first(
    session: Annotated[database.WriteSession, Depends(database.get_db_session)],
) -> None:
    await write_two_notes(session)


@router.get(f"{NOTES}/streamed")
async def stream_notes(uow: UnitOfWork) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for word in await uow.session.all(WORDS):
            yield word

    return StreamingResponse(lines())


@router.get(NOTES)
async def read_notes(session: ReadSession) -> list[str]:
    return await session.all(WORDS)


@pytest.fixture
async def notes(settings: ApplicationSettings, scratch_url: str) -> AsyncIterator[AsyncClient]:
    """A client of an application with a table of its own, where what is committed stays."""
    async with running(settings.with_database_url(scratch_url), router) as client:
        async with get_database().engine.begin() as connection:
            await connection.execute(text("CREATE TABLE doodles (word text)"))
        yield client


async def at_commit(statement: str) -> None:
    """Have the server run a statement whenever a transaction that wrote a note commits."""
    function = f"$$ BEGIN {statement}; RETURN NULL; END $$"
    trigger = "AFTER INSERT ON doodles DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()"
    async with get_database().engine.begin() as connection:
        await connection.execute(text(f"CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS {function}"))
        await connection.execute(text(f"CREATE CONSTRAINT TRIGGER at_commit {trigger}"))


async def test_unit_of_work_is_committed_before_the_answer(notes: AsyncClient) -> None:
    assert (await notes.post(NOTES, params={"word": "chair"})).json() == {"word": "chair"}

    assert (await notes.get(NOTES)).json() == ["chair"]


async def test_unit_of_work_that_fails_at_commit_answers_500(notes: AsyncClient) -> None:
    await at_commit("RAISE 'at most one chair' USING ERRCODE = 'check_violation'")

    answer = await notes.post(NOTES, params={"word": "chair"})

    problem(answer, 500, "INTERNAL_ERROR")
    assert (await notes.get(NOTES)).json() == []


async def test_unit_of_work_that_loses_its_connection_answers_503(notes: AsyncClient) -> None:
    await at_commit("PERFORM pg_terminate_backend(pg_backend_pid())")

    answer = await notes.post(NOTES, params={"word": "chair"})

    problem(answer, 503, "DATABASE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"
    assert (await notes.get(NOTES)).json() == []


@pytest.mark.parametrize("path", ["in-blocks", "late"])
async def test_write_session_with_changes_that_were_not_committed_is_reported(path: str, notes: AsyncClient) -> None:
    """Answered 500 where it still can be: a dependency of FastAPI's default scope ends after the answer."""
    with captured_log() as log:
        if path == "in-blocks":
            problem(await notes.post(f"{NOTES}/{path}"), 500, "INTERNAL_ERROR")
        else:
            with pytest.raises(RuntimeError, match="response already started"):
                await notes.post(f"{NOTES}/{path}")

    assert (await notes.get(NOTES)).json() == ["table"]
    (line,) = log.events("error")
    assert "UncommittedChangesError" in line["exception"]


async def test_session_that_a_streamed_body_uses_is_closed(notes: AsyncClient) -> None:
    with captured_log() as log:
        for _ in range(3):
            with pytest.raises(RuntimeError, match="closed"):
                await notes.get(f"{NOTES}/streamed")

    assert len(log.events("error")) == 3
    assert get_database_stats().in_use == 0


async def test_connections_closed_while_idle_are_replaced_unnoticed(
    server: DatabaseServer, scratch_url: str, notes: AsyncClient
) -> None:
    assert (await notes.get(NOTES)).status_code == 200

    await anyio.to_thread.run_sync(server.disconnect, str(get_database().engine.url.database))
    # One look at the network, as any process has had by the time of its next request.
    await anyio.sleep(0.01)

    assert (await notes.get(NOTES)).status_code == 200
