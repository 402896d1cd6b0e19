"""What becomes of tables and columns that no model has any more is decided by whoever writes the migration."""

import sys
from collections.abc import Collection, Iterable

import typer
from rich.text import Text

from app.cli import migrations, revisions
from app.cli.kept import FILE_NAME, read_kept, write_kept
from app.cli.output import err, out, working
from app.cli.revisions import Comparison, Loss
from app.core.config import ApplicationSettings
from app.core.config.loading import project_folder
from app.core.exceptions import ConfigurationError


def write_revision(
    settings: ApplicationSettings, message: str, *, drop: Collection[str], keep: Collection[str]
) -> None:
    """Write a migration, when it is decided what it may drop; before that, nothing is written.

    Args:
        settings: With the database to compare with.
        message: What the migration does.
        drop: `table` or `table.column`: what may go, even if it was kept until now.
        keep: What stays.

    Raises:
        ConfigurationError: Nobody has decided, or what was decided cannot be done.
    """
    folder = project_folder() / "migrations"
    listed = read_kept(folder)
    with working("Comparing …"):
        migrations.upgrade(settings)
        returned = listed & revisions.names_in_models()
        kept = listed - returned - set(drop)
        comparison = revisions.compare(settings.database, kept=kept)
    _require_sense(comparison.losses, drop=drop, keep=set(keep) - kept)
    dropped, chosen = _decide(comparison.losses, drop=set(drop), keep=set(keep))
    kept = frozenset(name for name in kept | chosen if name.partition(".")[0] not in dropped)
    _require_no_reference(comparison, dropped=dropped, kept=kept)

    with working("Writing …"):
        path = revisions.write(settings.database, message, comparison, kept=kept)
        if kept != listed:
            write_kept(folder, kept)
    for name in sorted(returned):
        out.print(Text(f"{name} is in the models again: taken off the list of what is kept"))
    for name in sorted(chosen):
        out.print(Text(f"{name} stays: listed in {folder.name}/{FILE_NAME}, which belongs in git"))
    for loss in comparison.losses:
        if loss.name in dropped:
            out.print(Text(f"{loss} goes when this migration is applied"))
    out.print(Text(f"wrote {path}" if path else _nothing(kept)))


def _require_sense(losses: Collection[Loss], *, drop: Collection[str], keep: Collection[str]) -> None:
    """Fail when a name is misspelt or given for both."""
    known = {loss.name for loss in losses}
    if both := sorted(set(drop) & set(keep)):
        raise ConfigurationError(f"{both[0]} cannot be dropped and kept.", next_step="Choose one of them.")
    if unknown := sorted({*drop, *keep} - known):
        raise ConfigurationError(
            f"No migration would drop {', '.join(unknown)}: nothing was written.",
            next_step=f"Decide about {_listed(losses)}." if losses else "Leave --drop and --keep out.",
        )


def _require_no_reference(comparison: Comparison, *, dropped: Collection[str], kept: Collection[str]) -> None:
    """Fail when a table that stays refers to one that goes, which the server would refuse."""
    for who, whom in sorted(comparison.references):
        if who in kept and whom in dropped:
            raise ConfigurationError(
                f"{who} stays and refers to {whom}, which cannot go without it: nothing was written.",
                next_step=f"Keep both, or drop both: `--drop {who} --drop {whom}`.",
            )


def _decide(losses: Iterable[Loss], *, drop: set[str], keep: set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """What goes and what stays; whatever has not been said is asked."""
    dropped = {loss.name for loss in losses if loss.name in drop}
    chosen = {loss.name for loss in losses if loss.name in keep}
    open_ones = [loss for loss in losses if loss.name not in dropped | chosen]
    if open_ones and not sys.stdin.isatty():
        raise ConfigurationError(
            f"No model has {_listed(open_ones)} any more, and nobody can be asked what becomes of it: "
            "nothing was written.",
            next_step="Repeat this with --drop NAME or --keep NAME for each; for what was only renamed, see "
            "CONTRIBUTING.md.",
        )
    if open_ones:
        err.print(Text(f"No model has these any more, but the database does: {_listed(open_ones)}."))
    for loss in open_ones:
        (dropped if _is_to_go(loss) else chosen).add(loss.name)
    return frozenset(dropped), frozenset(chosen)


def _is_to_go(loss: Loss) -> bool:
    import questionary  # noqa: PLC0415 — a whole terminal toolkit, for this question alone

    answer = questionary.select(
        f"{loss}:",
        choices=[
            questionary.Choice("keep it; migrations leave it alone from now on", value=False),
            questionary.Choice("drop it, with all that is in it, wherever the migration is applied", value=True),
        ],
    ).ask()
    if answer is None:
        err.print("nothing was written")
        raise typer.Exit(1)
    return bool(answer)


def _listed(losses: Iterable[Loss]) -> str:
    return ", ".join(map(str, losses))


def _nothing(kept: Collection[str]) -> str:
    return f"the models and the database agree{', but for what is kept' if kept else ''}: nothing to write"
