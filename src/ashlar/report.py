"""The output of `ashlar update`: what comes, changes, goes and conflicts, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from ashlar.merging import Merge
from ashlar.update import Outcome

_STYLES = {
    "add": "green",
    "change": "",
    "merge": "cyan",
    "move": "cyan",
    "skip": "yellow",
    "conflict": "bold yellow",
    "delete": "red",
}
_MEANINGS = {
    "merge": "you have edited it, and both changes fit",
    "skip": "you have deleted or moved it, and it stays so; the template has changed it",
}
_CONFLICTS = {
    "contents": "both have changed the same lines",
    "modify/delete": "the template deletes it, and you have edited it",
    "rename/delete": "the template deletes it, and you have renamed it",
    "add/add": "both have added it",
    "binary": "both have changed it",
}


@dataclass(frozen=True)
class Line:
    """A line about a file."""

    effect: str
    path: str
    meaning: str = ""

    @property
    def style(self) -> str:
        """The style that the effect is printed in."""
        return _STYLES[self.effect]


def lines(merge: Merge) -> list[Line]:
    """Return a line for each file that an update touches, ordered by what becomes of it."""
    found = sorted(_lines(merge), key=lambda line: (list(_STYLES).index(line.effect), line.path))
    return list(found)


def _lines(merge: Merge) -> Iterator[Line]:
    moved = _moves(merge)
    for path in merge.skipped:
        yield Line("skip", path, _MEANINGS["skip"])
    for path, conflict in merge.conflicts.items():
        yield Line("conflict", path, _CONFLICTS.get(conflict.kind, conflict.kind))
    for path in merge.changed:
        was, becomes = merge.before.get(path), merge.after.get(path)
        if path in merge.conflicts or path in moved.values():
            continue
        if was is None:
            yield Line("add", path)
        elif becomes is None and path in moved:
            yield Line("move", path, f"to {moved[path]}")
        elif becomes is None:
            yield Line("delete", path)
        elif merge.base.get(path, was) == was:
            yield Line("change", path)
        else:
            yield Line("merge", path, _MEANINGS["merge"])


def _moves(merge: Merge) -> dict[str, str]:
    """Return where files go that vanish from one place and come to another, as they are."""
    gone = {merge.before[path]: path for path in merge.changed if path not in merge.after}
    come = {merge.after[path]: path for path in merge.changed if path not in merge.before}
    return {path: come[entry] for entry, path in gone.items() if entry in come}


def summary(outcome: Outcome, found: list[Line]) -> str:
    """Return the versions and the counts."""
    versions = outcome.before
    if outcome.after != outcome.before:
        versions = f"{outcome.before} → {outcome.after}"
    counted = Counter(line.effect for line in found)
    counts = ", ".join(f"{effect} {counted[effect]}" for effect in _STYLES if counted[effect])
    return f"{versions}: {counts or 'nothing to do'}"


def next_steps(outcome: Outcome) -> list[tuple[str, str]]:
    """Return commands and what each is for, in their order."""
    settle = ("git status", "names the conflicts: keep a side, or write a third; then git add")
    return [
        *([settle] if outcome.merge and outcome.merge.conflicts else []),
        ("git diff --staged", "shows what has changed"),
        ("uv sync", "takes changed dependencies in"),
        ("uv run app doctor", "finds what is left to settle, and pending migrations"),
        ('uv run app db revision -m "update"', "writes a migration if models came or went"),
        ("uv run pytest -n auto", "runs the tests"),
        ("git add --all && git commit", "or git reset --hard, which goes back"),
    ]


def show(outcome: Outcome, *, dry_run: bool, out: Console, err: Console) -> None:
    """Print what an update did, or would do."""
    if outcome.merge is None:
        out.print(Text(outcome.said or summary(outcome, [])))
        return
    for section in outcome.sections:
        out.print(Text(f"{section.text}\n"))
    found = lines(outcome.merge)
    for line in found:
        meaning = f": {line.meaning}" if line.meaning else ""
        out.print(Text.assemble((f"{line.effect:9}", line.style), line.path, meaning))
    out.print(Text(summary(outcome, found)))
    for question, value in (outcome.answered or {}).items():
        out.print(Text(f"new question {question}: {str(value).lower()}; --data changes it"))
    unformatted = outcome.merge.unformatted
    for warning in (unformatted and f"merged unformatted: {unformatted}", outcome.said):
        if warning:
            warn(warning, err)
    if outcome.remaining:
        out.print(Text(f"{outcome.remaining} later releases remain; commit, then go on"))
    if dry_run:
        out.print(Text("Nothing was changed: this was a dry run."))
    elif found:
        out.print(Text("\nNext:"))
        for command, purpose in next_steps(outcome):
            out.print(Text(f"  {command:36}{purpose}"))


def warn(warning: str, err: Console) -> None:
    """Print a warning."""
    err.print(Text.assemble(("warning: ", "bold yellow"), warning))
