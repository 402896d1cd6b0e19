"""`app db`: the migrations of the database."""

from importlib.util import find_spec
from typing import Annotated

import typer
from alembic import command

from app.cli import migrations
from app.cli.migrations import named, state
from app.cli.output import err, out
from app.cli.settings import command_settings, with_database, with_services
from app.core.process import get_object

db = typer.Typer(no_args_is_help=True, add_completion=False)

# Absent from the image.
if find_spec("devtools"):
    from devtools.migrations.commands import commands

    # Without a name, its commands are these.
    db.add_typer(commands)


@db.command()
def upgrade(revision: Annotated[str, typer.Argument(help="A revision, or a step such as +1.")] = "head") -> None:
    """Apply migrations, all of them unless told otherwise."""
    with with_database(command_settings()) as settings, err.status("Migrating …"):
        before, _ = state(settings.database)
        migrations.upgrade(settings, revision)
        after, _ = state(settings.database)
    out.print(f"{named(before)} → {named(after)}" if before != after else f"{named(after)}: nothing to do")


@db.command(context_settings={"ignore_unknown_options": True})
def downgrade(revision: Annotated[str, typer.Argument(help="A revision, or a step such as -1.")]) -> None:
    """Downgrade to an earlier revision."""
    with with_database(command_settings()) as settings, err.status("Migrating …"):
        command.downgrade(migrations.alembic_config(settings.database), revision)
        now, _ = state(settings.database)
    out.print(named(now))


@db.command()
def current() -> None:
    """Show the revision that the database is at, and the newest."""
    with with_database(command_settings()) as settings:
        now, wanted = state(settings.database)
    out.print(f"{named(now)}{'' if now == wanted else f' (newest: {named(wanted)})'}")


@db.command()
@with_services
async def purge() -> None:
    """Delete what is old enough (RETENTION_…), as a worker does every night; may be interrupted and run again."""
    from app.services.retention import Retention  # noqa: PLC0415 — other commands need no models

    with err.status("Deleting …") as status:
        counts = await get_object(Retention).purge(lambda table, count: status.update(f"Deleting … {table}: {count}"))
    for table, count in counts.items():
        out.print(f"{table}: {count} deleted")
