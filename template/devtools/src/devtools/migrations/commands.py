"""`app db revision` and `app db check`, from the comparison to the file or the verdict."""

import asyncio
from collections.abc import Collection

from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import Connection

from app.cli.migrations import alembic_config
from app.cli.output import err, out
from app.core.config.database import DatabaseSettings
from app.core.config.loading import project_folder
from app.core.database import migration_engine
from app.core.exceptions import ConfigurationError
from app.models.domain import load_metadata
from devtools.migrations.comparison import Comparison, compare
from devtools.migrations.operations import render, reverse

# Tables and columns that no model describes and that stay: a name a line, `table` or `table.column`.
_KEPT = "migrations/kept.txt"
_NOT_COMPARED = (
    "not compared: comments, options of tables and sequences, and an enum type's order and further labels; indexes of "
    "extensions that the database lacks"
)


def write_revision(database: DatabaseSettings, message: str, *, drop: Collection[str]) -> None:
    """Write a migration, when all that it drops may go.

    Args:
        database: To compare with; every migration is applied.
        message: The purpose of the migration.
        drop: The tables and columns that may go, `table` or `table.column`.

    Raises:
        ConfigurationError: The migration would drop something else, and nothing was written.
    """
    comparison = _compared(database)
    if undecided := [name for name in comparison.losses if name not in drop]:
        raise ConfigurationError(
            f"No model has {', '.join(undecided)} any more: nothing was written.",
            next_step=f"Repeat this with --drop NAME for each that may go, and list the others in {_KEPT}, a name a "
            "line; for what was only renamed, see CONTRIBUTING.md.",
        )
    if not comparison.operations and not comparison.by_hand:
        out.print("the models and the database agree: nothing to write")
        return
    upgrade, downgrade = render(comparison.operations), render(reverse(comparison.operations))
    with alembic_config() as config:
        script = ScriptDirectory.from_config(config).generate_revision(
            rev_id(),
            message,
            upgrades="\n    ".join([*(f"# By hand: {sentence}" for sentence in comparison.by_hand), upgrade or "pass"]),
            downgrades=downgrade,
            imports="from sqlalchemy.dialects import postgresql" if "postgresql." in upgrade + downgrade else "",
        )
    out.print(f"wrote {script.path if script else ''}")


def check(database: DatabaseSettings) -> None:
    """Compare the models with the database.

    Raises:
        ConfigurationError: There are differences.
    """
    comparison = _compared(database)
    code = render(comparison.operations).splitlines() if comparison.operations else []
    if differences := [*code, *comparison.by_hand]:
        raise ConfigurationError(
            "The models have changes that no migration makes:" + "".join(f"\n  {line.strip()}" for line in differences),
            next_step='Write one with `app db revision -m "…"`.',
        )
    out.print("the models and the database agree")


def _compared(database: DatabaseSettings) -> Comparison:
    """Return the comparison, and print what it leaves to a person and what it does not compare."""

    def work(connection: Connection) -> Comparison:
        return compare(connection, load_metadata(), kept=_read_kept())

    async def run() -> Comparison:
        async with migration_engine(database).connect() as connection:
            return await connection.run_sync(work)

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
