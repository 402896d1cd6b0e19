"""`app db revision|merge|check|sql`: the commands that write and compare migrations, for development and CI."""

import asyncio
import sys
from typing import Annotated

import typer
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import text

from app.cli import migrations
from app.cli.migrations import alembic_config, state
from app.cli.output import err, out
from app.cli.settings import command_settings, with_database
from app.core.config.database import DatabaseSettings
from app.core.config.loading import project_folder
from app.core.database import migration_engine
from app.core.exceptions import ConfigurationError
from app.models.domain import load_metadata
from devtools.migrations.comparison import Comparison, compare
from devtools.migrations.operations import render, reverse

commands = typer.Typer()

Message = Annotated[str, typer.Option("--message", "-m", help="The migration's purpose, in a few words.")]
# Tables and columns that no model describes and that stay: a name a line, `table` or `table.column`.
_KEPT = "migrations/kept.txt"
_NOT_COMPARED = (
    "not compared: comments, options of tables and sequences, and an enum type's order and further labels; indexes of "
    "extensions that the database lacks"
)
# What a failed CREATE INDEX CONCURRENTLY leaves: it costs writes and answers no query.
_INVALID_INDEXES = text(
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid ORDER BY 1"
)


@commands.command()
def revision(
    message: Message,
    drop: Annotated[
        list[str] | None, typer.Option(help="A table, or table.column, to drop, since no model has it any more.")
    ] = None,
) -> None:
    """Write a migration from what differs between models and database.

    The database must be up to date. The embedded one is brought up to date first; one that is configured is only read.
    """
    settings = command_settings()
    with with_database(settings) as ready:
        if not settings.database.is_configured:
            with err.status("Migrating …"):
                migrations.upgrade(ready)
        comparison = compare_models(ready.database)
    if undecided := [name for name in comparison.losses if name not in (drop or ())]:
        raise ConfigurationError(
            f"No model has {', '.join(undecided)} any more: nothing was written.",
            next_step=f"Repeat this with --drop NAME for each that may go, and list the others in {_KEPT}, a name a "
            "line; for what was only renamed, see CONTRIBUTING.md.",
        )
    if not comparison.operations and not comparison.by_hand:
        out.print("the models and the database agree: nothing to write")
        return
    up, down = render(comparison.operations), render(reverse(comparison.operations))
    script = ScriptDirectory.from_config(alembic_config()).generate_revision(
        rev_id(),
        message,
        upgrades="\n    ".join([*(f"# By hand: {sentence}" for sentence in comparison.by_hand), up or "pass"]),
        downgrades=down,
        imports="from sqlalchemy.dialects import postgresql" if "postgresql." in up + down else "",
    )
    out.print(f"wrote {script.path if script else ''}")


@commands.command()
def merge(message: Message = "Join two branches") -> None:
    """Join several newest migrations, as two branches leave them, into one."""
    config = alembic_config()
    if len(ScriptDirectory.from_config(config).get_heads()) == 1:
        out.print("one migration is the newest: nothing to join")
    elif script := command.merge(config, "heads", message):
        out.print(f"wrote {script.path}")


@commands.command()
def check() -> None:
    """Fail when migrations are pending, when an index is invalid, or when models and database differ."""
    with with_database(command_settings()) as settings:
        comparison = compare_models(settings.database)
    code = render(comparison.operations).splitlines() if comparison.operations else []
    if differences := [*code, *comparison.by_hand]:
        raise ConfigurationError(
            "The models have changes that no migration makes:" + "".join(f"\n  {line.strip()}" for line in differences),
            next_step='Write one with `app db revision -m "…"`.',
        )
    out.print("the models and the database agree")


@commands.command()
def sql(
    revisions: Annotated[str | None, typer.Argument(help="FROM:TO, such as 0001:head; no database is asked.")] = None,
) -> None:
    """Print migrations as SQL: the pending ones, or those between two revisions."""
    settings = command_settings()
    if revisions is None:
        with with_database(settings) as ready:
            now, wanted = state(ready.database)
        if now == wanted:
            err.print("nothing is pending")
            return
        revisions = f"{','.join(sorted(now)) or 'base'}:head"
    config = alembic_config(settings.database)
    config.output_buffer = sys.stdout
    command.upgrade(config, revisions, sql=True)


def compare_models(database: DatabaseSettings) -> Comparison:
    """Return the comparison, and print what it leaves to a person and what it does not compare.

    Raises:
        ConfigurationError: An index is invalid, or migrations are pending.
    """

    async def find_invalid() -> list[str]:
        async with migration_engine(database, reading=True).connect() as connection:
            return list(await connection.scalars(_INVALID_INDEXES))

    async def run() -> Comparison:
        async with migration_engine(database).connect() as connection:
            return await connection.run_sync(lambda sync: compare(sync, load_metadata(), kept=_read_kept()))

    if invalid := asyncio.run(find_invalid()):
        raise ConfigurationError(
            f"Building an index concurrently has failed, and what it left is of no use: {', '.join(invalid)}.",
            next_step="".join(f"DROP INDEX CONCURRENTLY {index}; " for index in invalid) + "Then build it again.",
        )
    migrations.require_current(database)
    with err.status("Comparing …"):
        comparison = asyncio.run(run())
    for sentence in comparison.by_hand:
        err.print(f"mind: {sentence}")
    err.print(_NOT_COMPARED)
    return comparison


def _read_kept() -> frozenset[str]:
    try:
        lines = (project_folder() / _KEPT).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))
