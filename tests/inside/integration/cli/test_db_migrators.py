"""`app db upgrade` beside others: two at once, locks that are held, and what is said when a migration fails."""

import asyncio
import threading
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.databases import connect, execute
from tests.integration.cli.conftest import CONSOLE, Run

pytestmark = pytest.mark.process

HALF = 'op.execute("ALTER TABLE users ADD COLUMN half integer")'
WRONG = 'op.execute("SELECT 1 / 0")'
UNIQUE = 'op.create_index("uq_half", "users", ["is_active"], unique=True, postgresql_concurrently=True)'
TWO_USERS = (
    "INSERT INTO users (id, email, password_hash) SELECT gen_random_uuid(), i || '@x', '' FROM generate_series(1, 2) i"
)
# Until a second migrator is connected, beside this one's two connections.
COMPANY = """op.execute('''DO $$ BEGIN FOR i IN 1..100 LOOP
        PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
        EXIT WHEN (SELECT count(*) > 2 FROM pg_stat_activity WHERE datname = current_database());
    END LOOP; PERFORM pg_sleep(0.5); END $$''')"""


def block(*statements: str) -> str:
    return "\n        ".join(("with op.get_context().autocommit_block():", *statements))


Query = Callable[[str], Any]


@pytest.fixture
def query(on_migrated: str) -> Query:
    """Run a statement and return its first value."""

    def query(statement: str) -> Any:
        rows = execute(on_migrated, statement)
        return rows[0][0] if rows else None

    return query


@contextmanager
def reader(url: str, *, seconds: float) -> Iterator[None]:
    """Read `users` in a transaction that stays open for that long at most, in a thread."""
    done, ready = threading.Event(), threading.Event()

    async def read() -> None:
        connection = await connect(url)
        async with connection.transaction():
            await connection.execute("SELECT FROM users")
            ready.set()
            await asyncio.to_thread(done.wait, seconds)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(read()))
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        done.set()
        thread.join()


Migration = Callable[..., None]


@pytest.fixture
def migration(project: Path, head: str) -> Migration:
    """Write a migration after the newest one."""

    def write(*statements: str, revision: str = "next", after: str = head) -> None:
        body = "\n    ".join(statements)
        (project / "migrations" / "versions" / f"{revision}_it.py").write_text(
            f'from alembic import op\n\nrevision = "{revision}"\ndown_revision = "{after}"\n\n\n'
            f"def upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n"
        )

    return write


def test_upgrade_by_two_at_once_finishes_whatever_the_migration_does(
    on_migrated: str, project: Path, migration: Migration, query: Query
) -> None:
    migration(
        COMPANY,
        block('op.create_index("ix_users_half", "users", ["is_active"], postgresql_concurrently=True)'),
        HALF,
    )

    async def race() -> list[tuple[int | None, bytes, bytes]]:
        both = [await asyncio.create_subprocess_exec(*CONSOLE, "db", "upgrade", stdout=PIPE, stderr=PIPE) for _ in "ab"]
        return [(each.returncode, *said) for each in both for said in [await each.communicate()]]

    ended = asyncio.run(race())

    assert [code for code, *_ in ended] == [0, 0], ended
    assert all(out.endswith(b"next\n") or out == b"next: nothing to do\n" for _, out, _ in ended), ended
    assert b"waiting for another migrator" in ended[0][2] + ended[1][2]
    assert query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0


def test_upgrade_waits_for_no_lock_longer_than_the_setting(
    on_migrated: str, head: str, migration: Migration, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_MIGRATION_LOCK_TIMEOUT_SECONDS", "0.2")
    migration(HALF)
    with reader(on_migrated, seconds=5):
        result = app_command("db", "upgrade")

    assert result.code == 1
    assert "migrations/versions/next_it.py, line 8 failed: canceling statement due to lock timeout" in result.err
    assert "The ones before it are done, and of it only what it committed by itself" in result.err
    assert app_command("db", "upgrade").out == f"{head} → next\n"


def test_upgrade_building_an_index_concurrently_waits_as_long_as_it_takes(
    on_migrated: str, head: str, migration: Migration, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_MIGRATION_LOCK_TIMEOUT_SECONDS", "0.2")
    migration(block('op.create_index("ix_users_half", "users", ["is_active"], postgresql_concurrently=True)'))
    with reader(on_migrated, seconds=1.5):
        result = app_command("db", "upgrade")

    assert result[:2] == (0, f"{head} → next\n"), result.err


@pytest.mark.parametrize(
    ("statements", "is_applied"),
    [
        ((HALF, WRONG), False),
        ((HALF, 'raise ValueError("no owner")'), False),
        ((HALF, 'op.execute("SELECT pg_terminate_backend(pg_backend_pid())")'), False),
        ((HALF, block(WRONG)), True),
    ],
)
def test_upgrade_that_fails_says_what_is_applied(
    statements: tuple[str, ...], migration: Migration, app_command: Run, query: Query, *, is_applied: bool
) -> None:
    migration('op.execute("CREATE TABLE whole ()")')
    migration(*statements, revision="last", after="next")

    result = app_command("db", "upgrade")

    assert result.code == 1
    assert "Traceback" not in result.err
    assert "migrations/versions/last_it.py, line " in result.err
    assert "The ones before it are done, and of it only what it committed by itself" in result.err
    half = query("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'half'")
    assert bool(half) is is_applied
    assert query("SELECT version_num FROM alembic_version") == "next"
    assert query("SELECT to_regclass('whole') IS NOT NULL")


def test_check_names_an_invalid_index_and_the_way_on_which_works(
    head: str, migration: Migration, app_command: Run, query: Query
) -> None:
    query(TWO_USERS)
    migration(HALF, block(UNIQUE))

    first = app_command("db", "upgrade")

    assert first.code == 1
    assert "could not create unique index" in first.err
    check = app_command("db", "check")
    assert check.code == 1
    assert "DROP INDEX CONCURRENTLY public.uq_half;" in check.err
    query("DROP INDEX CONCURRENTLY public.uq_half")
    query("ALTER TABLE users DROP COLUMN half")
    query("DELETE FROM users WHERE email = '1@x'")
    assert app_command("db", "upgrade").out == f"{head} → next\n"
