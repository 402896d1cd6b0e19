"""`app db`: the migrations of the database."""

import sys
from typing import Annotated

import typer
from alembic import command
from alembic.script import ScriptDirectory

from app.cli import migrations
from app.cli.output import err, out
from app.cli.settings import command_settings, with_database, with_services
from app.core.exceptions import ConfigurationError
from app.core.process import get_object

db = typer.Typer(help="Migrations of the database.", no_args_is_help=True, add_completion=False)

Message = Annotated[str, typer.Option("--message", "-m", help="The migration's purpose, in a few words.")]


@db.command()
def upgrade(revision: Annotated[str, typer.Argument(help="A revision, or a step such as +1.")] = "head") -> None:
    """Apply migrations, all of them unless told otherwise."""
    with with_database(command_settings()) as settings, err.status("Migrating …"):
        before, *_ = migrations.state(settings.database)
        migrations.upgrade(settings, revision)
        after, *_ = migrations.state(settings.database)
    out.print(
        f"{migrations.named(before)} → {migrations.named(after)}"
        if before != after
        else f"{migrations.named(after)}: nothing to do"
    )


@db.command(context_settings={"ignore_unknown_options": True})
def downgrade(revision: Annotated[str, typer.Argument(help="A revision, or a step such as -1.")]) -> None:
    """Downgrade to an earlier revision."""
    with with_database(command_settings()) as settings, err.status("Migrating …"):
        with migrations.alembic_config(settings.database) as config:
            command.downgrade(config, revision)
        now, *_ = migrations.state(settings.database)
    out.print(migrations.named(now))


@db.command()
def revision(
    message: Message,
    drop: Annotated[
        list[str] | None, typer.Option(help="A table, or table.column, to drop, since no model has it any more.")
    ] = None,
) -> None:
    """Write a migration from what differs between models and database.

    The database must be up to date. The embedded one is brought up to date first; one that is configured is only read.
    """
    from devtools.migrations.revisions import write_revision  # noqa: PLC0415 — absent from the image

    settings = command_settings()
    with with_database(settings) as ready:
        if not settings.database.is_configured:
            with err.status("Migrating …"):
                migrations.upgrade(ready)
        migrations.require_current(ready.database)
        write_revision(ready.database, message, drop=drop or ())


@db.command()
def merge(message: Message = "Join two branches") -> None:
    """Join several newest migrations, as two branches leave them, into one."""
    with migrations.alembic_config() as config:
        if len(ScriptDirectory.from_config(config).get_heads()) == 1:
            out.print("one migration is the newest: nothing to join")
        elif script := command.merge(config, "heads", message):
            out.print(f"wrote {script.path}")


@db.command()
def current() -> None:
    """Show the revision that the database is at, and the newest."""
    with with_database(command_settings()) as settings:
        now, wanted, _ = migrations.state(settings.database)
    out.print(f"{migrations.named(now)}{'' if now == wanted else f' (newest: {migrations.named(wanted)})'}")


@db.command()
def check() -> None:
    """Fail when migrations are pending, when an index is invalid, or when models and database differ."""
    with with_database(command_settings()) as settings:
        migrations.require_current(settings.database)
        if invalid := migrations.state(settings.database)[2]:
            raise ConfigurationError(
                f"Building an index concurrently has failed, and what it left is of no use: {', '.join(invalid)}.",
                next_step=f"{migrations.dropping(invalid)}Then build it again.",
            )
        from devtools.migrations.revisions import check as compare  # noqa: PLC0415 — absent from the image

        compare(settings.database)


@db.command()
def sql(
    revisions: Annotated[str | None, typer.Argument(help="FROM:TO, such as 0001:head; no database is asked.")] = None,
) -> None:
    """Print migrations as SQL: the pending ones, or those between two revisions."""
    settings = command_settings()
    if revisions is None:
        with with_database(settings) as ready:
            now, wanted, _ = migrations.state(ready.database)
        if now == wanted:
            err.print("nothing is pending")
            return
        revisions = f"{','.join(sorted(now)) or 'base'}:head"
    with migrations.alembic_config(settings.database) as config:
        config.output_buffer = sys.stdout
        command.upgrade(config, revisions, sql=True)


@db.command()
@with_services
async def purge() -> None:
    """Delete what is old enough (RETENTION_…), as a worker does every night; may be interrupted and run again."""
    from app.services.retention import Retention  # noqa: PLC0415 — other commands need no models

    with err.status("Deleting …") as status:
        counts = await get_object(Retention).purge(lambda table, count: status.update(f"Deleting … {table}: {count}"))
    for table, count in counts.items():
        out.print(f"{table}: {count} deleted")
