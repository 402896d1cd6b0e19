"""An update, tried on a copy of the project."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app.core.exceptions import ConfigurationError
from app.development.updates.answers import FILE_NAME, Answers, is_answer, read_answers
from app.development.updates.checkout import git, is_in_git, paths
from app.development.updates.comparison import Change, compare, missing, skipped
from app.development.updates.copier import run_copier


class Preview(NamedTuple):
    """What an update would do.

    Attributes:
        before: The version of the template that the project is on.
        after: The one it would be on.
        changes: Every file that is touched.
    """

    before: str
    after: str
    changes: list[Change]


def preview_update(folder: Path, *, data: Mapping[str, str], version: str | None) -> Preview:
    """Try an update on a copy of what is committed; the project stays as it is.

    Args:
        folder: The project's folder.
        data: Answers that the update changes.
        version: The version of the template to update to; its newest unless given.

    Raises:
        ConfigurationError: The update would fail, or not do what is asked.
    """
    _require_committed(folder)
    answers = read_answers(folder)
    with tempfile.TemporaryDirectory(prefix="update-preview-") as name:
        recorded, before, after, upcoming = (Path(name) / each for each in ("recorded", "before", "after", "upcoming"))
        inside = _clone(folder, before)
        shutil.copytree(before, after, symlinks=True)
        options = [part for each in data.items() for part in ("--data", "=".join(each))]
        options += ["--vcs-ref", version] if version else []
        run_copier(after / inside, answers, "update", *options)
        updated = read_answers(after / inside)
        _require_taken(data, updated)
        _render(before / inside, answers, recorded)
        changes = list(compare(recorded, before / inside, after / inside))
        if gone := missing(recorded, before / inside):
            _render(after / inside, updated, upcoming)
            changes += skipped(gone, recorded, upcoming)
        return Preview(answers.version, updated.version, changes)


def uncommitted(folder: Path) -> list[str]:
    """The files that are not committed as they are: an update refuses to start."""
    return sorted(
        {
            *paths(folder, "ls-files", "--modified", "--others", "--exclude-standard"),
            *paths(folder, "diff", "--cached", "--name-only", "--relative"),
        }
    )


def _require_committed(folder: Path) -> None:
    if not is_in_git(folder):
        raise ConfigurationError(
            "This project is not kept in git, and Copier updates no other.",
            next_step="Run `git init`, `git add --all` and `git commit` here first.",
        )
    is_there = (folder / FILE_NAME).exists()
    if is_there and git(folder, "cat-file", "-e", f"HEAD:./{FILE_NAME}").returncode:
        raise ConfigurationError(
            f"{FILE_NAME} is not committed, and an update starts there.",
            next_step="Run `git add --all` and `git commit` first.",
        )


def _clone(folder: Path, target: Path) -> str:
    """Copy what is committed, and say where in there the project is."""
    inside, top = (
        git(folder, "rev-parse", option).stdout.removesuffix("\n") for option in ("--show-prefix", "--show-toplevel")
    )
    done = git(folder, "clone", "--quiet", top, target)
    if done.returncode:
        raise ConfigurationError(
            f"git cannot copy the project: {done.stderr.strip().rpartition(chr(10))[2]}",
            next_step="Correct that; `git fsck` says whether the repository is whole.",
        )
    return inside


def _render(project: Path, answers: Answers, target: Path) -> None:
    """Render what a project's answers say, without its edits."""
    options = ("--vcs-ref", answers.version, "--data-file", FILE_NAME)
    run_copier(project, answers, "copy", *options, answers.source, str(target))


def _require_taken(data: Mapping[str, str], updated: Answers) -> None:
    """Fail when Copier has dropped an answer, or made another of it, which it does in silence."""
    for question, value in data.items():
        if question not in updated.values:
            raise ConfigurationError(
                f"The template does not ask for {question}.",
                next_step=f"Correct --data; {FILE_NAME} has the questions there are.",
            )
        taken = updated.values[question]
        if not is_answer(value, taken):
            raise ConfigurationError(
                f"The template takes {question}={value} for {str(taken).lower()}.",
                next_step="Correct --data; a question that wants yes or no is answered with true or false.",
            )
