"""`app update-preview`: what `copier update` would do to this project, before it does."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.text import Text

from app.cli.output import err, out, working
from app.core.config.loading import project_folder
from app.core.exceptions import ConfigurationError
from app.core.redaction import redact_text

_MEANINGS = {
    "add": ("", "green"),
    "change": ("", ""),
    "merge": ("you have edited it, and both changes fit", ""),
    "conflict": ("you have edited the same lines: the update leaves conflict markers", "yellow"),
    "skip": ("you have deleted or moved it, and the template's change to it stays away", "yellow"),
    "delete": ("", ""),
    "lose": ("you have edited it, and your edits would go", "bold red"),
}


def update_preview(
    data: Annotated[
        list[str] | None, typer.Option(help="An answer that the update changes, as question=value; as often as needed.")
    ] = None,
    vcs_ref: Annotated[str | None, typer.Option(help="The template's version; its newest unless given.")] = None,
) -> None:
    """Show what `copier update` would do, file by file; the exit code is 1 when edits of yours would be lost."""
    # For checkouts: the image has neither git nor Copier.
    from app.development.updates.comparison import Effect  # noqa: PLC0415
    from app.development.updates.preview import preview_update, uncommitted  # noqa: PLC0415

    folder = project_folder()
    answers = _parse(data or ())
    with working("Trying the update on a copy …"):
        preview = preview_update(folder, data=answers, version=vcs_ref)
    if files := uncommitted(folder):
        err.print(Text(f"warning: not committed, and not in this preview: {_some(files)}"))
        err.print(Text("next: commit or stash that first; with it, the update refuses to start"))
    for effect in Effect:
        meaning, style = _MEANINGS[effect]
        for change in preview.changes:
            if change.effect == effect:
                line = f"{change.path}{f': {meaning}' if meaning else ''}"
                out.print(Text.assemble((f"{effect:9}", style), line))
    versions = f"{preview.before} → {preview.after}" if preview.before != preview.after else preview.before
    out.print(Text(redact_text(" ".join([f"{versions}:", _counted([each.effect for each in preview.changes])]))))
    if lost := [change.path for change in preview.changes if change.effect == Effect.LOST]:
        err.print(Text.assemble(("next: ", "bold"), _way_back(lost)))
        raise typer.Exit(1)


def _parse(data: Iterable[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in data]
    for question, sign, _ in pairs:
        if not question or not sign:
            raise ConfigurationError("--data wants question=value.", next_step="Write it like use_something=true.")
    return {question: value for question, _, value in pairs}


def _counted(effects: list[str]) -> str:
    found = {effect: effects.count(effect) for effect in _MEANINGS}
    return ", ".join(f"{effect} {count}" for effect, count in found.items() if count) or "nothing to do"


def _way_back(lost: list[str]) -> str:
    return (
        "what you wrote stays in git: after the update, before you commit it, `git show HEAD:./PATH` shows a file and "
        f"`git checkout HEAD -- {' '.join(lost[:3])}{' …' if len(lost) > 3 else ''}` brings it back; "  # noqa: PLR2004
        "to be sure, work on a branch"
    )


def _some(files: list[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")  # noqa: PLR2004
