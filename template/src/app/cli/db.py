"""`app db`: migrations."""

from typing import Annotated

import typer

from app.cli import decisions, migrations
from app.cli.output import out, working
from app.cli.settings import command_settings, with_database
from app.core.exceptions import ConfigurationError

db = typer.Typer(help="Migrations of the database.", no_args_is_help=True)

Revision = Annotated[str, typer.Argument(help="A revision, or a step such as -1.")]


@db.command()
def upgrade(revision: Annotated[str, typer.Argument(help="A revision, or a step such as +1.")] = "head") -> None:
    """Apply migrations, all of them unless told otherwise."""
    with with_database(command_settings()) as settings, working("Migrating …"):
        before, _ = migrations.state(settings.database)
        after = migrations.upgrade(settings, revision)
    out.print(f"{_named(before)} → {_named(after)}" if before != after else f"{_named(after)}: nothing to do")


@db.command(context_settings={"ignore_unknown_options": True})
def downgrade(revision: Revision) -> None:
    """Take migrations back."""
    with with_database(command_settings()) as settings:
        database = settings.database
        with working("Migrating …"):
            migrations.downgrade(database, revision)
            now, _ = migrations.state(database)
    out.print(_named(now))


@db.command()
def revision(
    message: Annotated[str, typer.Option("--message", "-m", help="What it does, in a few words.")],
    drop: Annotated[
        list[str] | None, typer.Option(help="A table, or table.column, that no model has any more: drop it.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="One that no model has any more: leave it in the database, for good.")
    ] = None,
) -> None:
    """Write a migration from what has changed in the models; brings the database up to date first."""
    with with_database(command_settings()) as settings:
        decisions.write_revision(settings, message, drop=drop or (), keep=keep or ())


@db.command()
def current() -> None:
    """Show where the database is, and whether that is the newest."""
    with with_database(command_settings()) as settings:
        now, wanted = migrations.state(settings.database)
    out.print(f"{_named(now)}{'' if now == wanted else f' (newest: {_named(wanted)})'}")


@db.command()
def check() -> None:
    """Fail when migrations are pending, or when the models have changes that no migration makes."""
    with with_database(command_settings()) as settings:
        database = settings.database
        with working("Comparing …"):
            migrations.require_current(database)
            found = migrations.differences(database)
    if found:
        raise ConfigurationError(
            f"The models have changes that no migration makes. {found}",
            next_step='Write one with `app db revision -m "…"`.',
        )
    out.print("the models and the database agree")


def _named(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "empty"
