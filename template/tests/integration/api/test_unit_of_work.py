"""`UnitOfWork`, `WriteSession` and `ReadSession` of routes: a commit that fails is an error answer, without events."""

from collections.abc import AsyncIterator
from typing import Annotated, ClassVar

import pytest
from fastapi import APIRouter, Depends
from httpx import AsyncClient
from sqlalchemy import text

from app.api.dependencies import ReadSession, UnitOfWork, WriteSession
from app.core import database
from app.core.config import ApplicationSettings
from app.core.database import Statement, get_async_session, get_database
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import BusinessRuleError
from app.core.uow import atomic
from tests.applications import running
from tests.buses import until_settled
from tests.clients import problem
from tests.logs import Log

pytestmark = pytest.mark.anyio

NOTES = "/notes"
INSERT = Statement(text("INSERT INTO doodles VALUES (:word) RETURNING word"), str)
WORDS = Statement(text("SELECT word FROM doodles"), str)

router = APIRouter(prefix=NOTES)


class NoteWritten(BaseEvent):
    type: ClassVar[str] = "note.written"
    word: str


@router.post("/write")
async def write_note(word: str, uow: UnitOfWork) -> dict[str, str]:
    uow.record(NoteWritten(word=word))
    await uow.session.execute(INSERT, word=word)
    return {"word": word}


@router.post("/refused")
async def write_note_and_refuse(word: str, uow: UnitOfWork) -> None:
    await write_note(word, uow)
    raise BusinessRuleError("Not today.")


@router.post("/in-blocks")
async def write_two_notes(session: WriteSession) -> None:
    async with atomic(session):
        await session.execute(INSERT, word="table")
    await session.execute(INSERT, word="chair")


@router.post("/late")
async def write_two_notes_and_answer_first(
    session: Annotated[database.WriteSession, Depends(database.get_db_session)],
) -> None:
    await write_two_notes(session)


@router.get("")
async def read_notes(session: ReadSession) -> list[str]:
    return await session.all(WORDS)


@pytest.fixture
async def notes(settings: ApplicationSettings, scratch_url: str) -> AsyncIterator[AsyncClient]:
    """A client of an application with a table of its own, where what is committed stays."""
    async with running(settings.with_database_url(scratch_url), router) as client:
        async with get_database().writing.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE doodles (word text)"))
        yield client


async def write(notes: AsyncClient, word: str, **headers: str) -> int:
    return (await notes.post(f"{NOTES}/write", params={"word": word}, headers=headers)).status_code


async def at_commit(statement: str) -> None:
    """Have the server run a statement whenever a transaction that wrote a note commits."""
    function = f"$$ BEGIN {statement}; RETURN NULL; END $$"
    trigger = "AFTER INSERT ON doodles DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()"
    async with get_database().writing.engine.begin() as connection:
        await connection.execute(text(f"CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS {function}"))
        await connection.execute(text(f"CREATE CONSTRAINT TRIGGER at_commit {trigger}"))


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("RAISE 'at most one chair' USING ERRCODE = 'check_violation'", 500, "INTERNAL_ERROR"),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", 503, "DATABASE_UNAVAILABLE"),
    ],
)
async def test_unit_of_work_that_fails_at_commit_is_an_error_without_events(
    statement: str, status: int, code: str, notes: AsyncClient
) -> None:
    await at_commit(statement)

    problem(await notes.post(f"{NOTES}/write", params={"word": "chair"}), status, code)

    assert (await notes.get(NOTES)).json() == []
    assert get_event_bus().counts["published"] == 0


async def test_unit_of_work_publishes_after_the_commit_and_nothing_of_a_rollback(notes: AsyncClient) -> None:
    heard: list[tuple[str, list[str], str | None]] = []

    async def handler(event: NoteWritten) -> None:
        async with get_async_session() as session:
            heard.append((event.word, await session.all(WORDS), event.correlation_id))

    get_event_bus().subscribe(NoteWritten, handler)
    assert (await notes.post(f"{NOTES}/refused", params={"word": "chair"})).status_code == 409
    assert await write(notes, "table", **{"X-Request-ID": "r-12345678"}) == 200
    await until_settled(get_event_bus())

    assert heard == [("table", ["table"], "r-12345678")]


@pytest.mark.parametrize("path", ["in-blocks", "late"])
async def test_write_session_with_changes_that_were_not_committed_is_reported(
    path: str, notes: AsyncClient, log: Log
) -> None:
    """Answered 500 where it still can be: a dependency of FastAPI's default scope ends after the answer."""
    if path == "in-blocks":
        problem(await notes.post(f"{NOTES}/{path}"), 500, "INTERNAL_ERROR")
    else:
        with pytest.raises(RuntimeError, match="response already started"):
            await notes.post(f"{NOTES}/{path}")

    assert (await notes.get(NOTES)).json() == ["table"]
    (line,) = log.events("error")
    assert "UncommittedChangesError" in line["exception"]
