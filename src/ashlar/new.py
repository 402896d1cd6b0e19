"""A new project: the questions, few and short, then Copier's own render of the template."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import questionary
from rich.console import Console

from ashlar.errors import RefusedError
from ashlar.git import require_git
from ashlar.haste import hasten, listen
from ashlar.questions import Question, check_answers, own_questions

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Order:
    """A project to be made.

    Attributes:
        source: The template, as Copier is told it.
        version: A version, branch or commit of it; the latest release where None.
        folder: Where to; asked for where None.
        answers: Answers that are given.
        defaults: Whether all other questions are answered by their defaults.
    """

    source: str
    version: str | None
    folder: str | None
    answers: Mapping[str, object]
    defaults: bool


def make_project(order: Order, console: Console) -> list[str]:
    """Make a project, ask for what is not given, and say what to do next.

    Returns:
        Warnings about the template, each a sentence.

    Raises:
        RefusedError: It cannot be made; nothing is left of it.
    """
    require_git()
    if not order.defaults and not sys.stdin.isatty():
        raise RefusedError(
            "There is no terminal to ask on.",
            next_step="Add --defaults, and a flag for each answer that differs.",
        )
    answers = check_answers(order.answers)
    folder = Path(order.folder or _ask_folder(order)).expanduser()
    require_free(folder)
    if not order.defaults:
        answers = _ask_options(answers) | answers
    with _nothing_left(folder), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _copy(order, folder, answers, console)
    return [str(each.message) for each in caught if each.category.__module__.startswith("copier")]


def require_free(folder: Path) -> None:
    """Check that a folder is not there yet, or has nothing but an empty repository.

    Raises:
        RefusedError: It has files.
    """
    there = folder.is_dir() and sorted(each.name for each in folder.iterdir())
    found = [name for name in there or () if name != ".git"]
    if found or (folder.exists() and not folder.is_dir()):
        what = f"{folder} has files, such as {found[0]}" if found else f"{folder} is a file"
        raise RefusedError(
            f"{what}: nothing was written.", next_step="Choose a folder that is not there yet."
        )


def _ask_folder(order: Order) -> str:
    if order.defaults:
        raise RefusedError(
            "No folder is named.", next_step="Name one: `ashlar new my-service --defaults`."
        )
    return str(_answered(questionary.text("Into which folder?", default="my-service").ask()))


def _ask_options(given: Mapping[str, object]) -> dict[str, object]:
    """Ask the yes-or-no questions, all on one screen, unless a flag has answered one of them."""
    options = [question for question in own_questions() if question.is_bool]
    if any(option.name in given for option in options):
        return {option.name: option.default for option in options}
    chosen = questionary.checkbox(
        "What shall it have?",
        choices=[_choice(option) for option in options],
        instruction="(space chooses, enter goes on)",
    ).ask()
    return {option.name: option.name in _answered(chosen) for option in options}


def _choice(option: Question) -> questionary.Choice:
    title = f"{option.label:<12} {option.text}"
    return questionary.Choice(title, value=option.name, checked=bool(option.default))


def _answered(answer: T | None) -> T:
    """Return an answer, unless Ctrl-C was pressed."""
    if answer is None:
        raise KeyboardInterrupt
    return answer


def _copy(order: Order, folder: Path, answers: Mapping[str, object], console: Console) -> None:
    """Have Copier ask what is left, write the files and say what to do next."""
    with console.status("Fetching the template …") as status:
        import copier

        written = 0

        def on_file(path: str) -> None:
            nonlocal written
            written += 1
            status.start()
            status.update(f"Writing {written} … {path}")

        hasten()
        listen(on_file, status.stop)
        copier.run_copy(
            order.source,
            folder,
            data=dict(answers),
            vcs_ref=order.version,
            defaults=order.defaults,
        )


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Remove what was written where it cannot be finished, and say why as a sentence."""
    existed = folder.exists()
    try:
        yield
    except BaseException as error:
        for path in folder.iterdir() if existed else [folder]:
            if path.name != ".git" and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != ".git":
                path.unlink(missing_ok=True)
        if isinstance(error, KeyboardInterrupt) or getattr(error, "errno", None):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        said = next((line for line in lines if "fatal:" in line), lines[0] if lines else "failed")
        raise RefusedError(
            f"Copier says: {said.rpartition(' | ')[2].rstrip('.')}. Nothing was written.",
            next_step="Correct the answer; for anything else, see that the template is there.",
        ) from error
