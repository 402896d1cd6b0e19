"""The options of `ashlar new`: its own, and one for each of the template's questions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ashlar.errors import RefusedError
from ashlar.questions import Question, own_questions

_PANEL = "Answers (each is asked for unless it is given)"


def with_questions(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each question; it gets their values as `flags`."""

    def run(**given: Any) -> None:
        flags = {each.name: given.pop(each.name) for each in own_questions()}
        command(**given, flags={name: value for name, value in flags.items() if value is not None})

    taken = inspect.signature(command, eval_str=True).parameters.values()
    kept = [each for each in taken if each.name != "flags"]
    shown = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in kept]
    run.__signature__ = inspect.Signature([*shown, *map(_option, own_questions())])  # type: ignore[attr-defined]
    run.__doc__ = command.__doc__
    return run


def _option(question: Question) -> inspect.Parameter:
    label = question.label
    names = f"--{label}/--no-{label}" if question.is_bool else f"--{label}"
    text = question.text
    if question.choices:
        text = f"{text} ({', '.join(question.choices)})"
    kind: Any = Annotated[
        (bool if question.is_bool else str) | None,
        typer.Option(names, help=text, rich_help_panel=_PANEL, show_default=False),
    ]
    return inspect.Parameter(
        question.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
    )


def answers_of(
    *, data_file: Path | None, all_services: bool | None, data: list[str], flags: Mapping[str, Any]
) -> dict[str, object]:
    """Return the answers that a command line gives; what is more particular counts.

    Args:
        data_file: A YAML file with answers; names that start with `_` are not answers.
        all_services: Every service, or none; None leaves them open.
        data: Answers as question=value.
        flags: Answers by their own options.

    Raises:
        RefusedError: They cannot be read.
    """
    answers = _read(data_file) if data_file else {}
    if all_services is not None:
        answers |= {each.name: all_services for each in own_questions() if each.is_service}
    return answers | parse_data(data) | dict(flags)


def parse_data(data: list[str]) -> dict[str, str]:
    """Return the pairs of `--data`.

    Raises:
        RefusedError: One is no pair.
    """
    pairs = [each.partition("=") for each in data]
    for question, sign, _ in pairs:
        if not question or not sign:
            raise RefusedError(
                "--data wants question=value.", next_step="Write it like use_something=true."
            )
    return {question: value for question, _, value in pairs}


def _read(file: Path) -> dict[str, object]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RefusedError(
            f"{file} cannot be read: {str(error).splitlines()[0]}.",
            next_step="Write question: value, a line each, or take another project's answers file.",
        ) from error
    if not isinstance(found, dict):
        raise RefusedError(
            f"{file} has no answers.", next_step="Write question: value, a line each."
        )
    return {str(name): value for name, value in found.items() if str(name)[:1] != "_"}
