"""The template's questions, as its copier.yml asks them: the one list of options that there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from ashlar.errors import RefusedError

FILE_NAME = "copier.yml"
# The one in C, where PyYAML has it: every command reads the questions.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that a person is asked.

    Attributes:
        name: Its name, as the answers file has it.
        text: The question, as a sentence, with its rule in brackets.
        is_bool: True if the answer is yes or no.
        default: The answer unless another is given, or the text it is computed from.
        choices: The answers there are, where they are listed.
    """

    name: str
    text: str
    is_bool: bool
    default: object
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name as people say it: `redis`, `example`, `project-name`."""
        return self.name.removeprefix("use_").removeprefix("include_").replace("_", "-")

    @property
    def is_service(self) -> bool:
        """True if it is about a service, which is off unless it is chosen."""
        return self.is_bool and self.default is False


@cache
def own_questions() -> tuple[Question, ...]:
    """Return the questions of the version that this command belongs to."""
    return read_questions((files("ashlar") / FILE_NAME).read_text(encoding="utf-8"))


def read_questions(text: str) -> tuple[Question, ...]:
    """Return the questions of a copier.yml that are asked, in their order."""
    return tuple(_asked(yaml.load(text, _LOADER)))  # noqa: S506 — a safe loader


def _asked(configuration: Mapping[str, object]) -> Iterator[Question]:
    for name, details in configuration.items():
        if name.startswith("_") or not isinstance(details, dict) or details.get("when") is False:
            continue
        yield Question(
            name=name,
            text=str(details.get("help", name)),
            is_bool=details.get("type") == "bool",
            default=details.get("default"),
            choices=tuple(map(str, details.get("choices", ()))),
        )


def check_answers(answers: Mapping[str, object]) -> dict[str, object]:
    """Return answers as Copier wants them, each to a question that there is.

    Raises:
        RefusedError: One is not.
    """
    asked = {question.name: question for question in own_questions()}
    checked = {}
    for name, value in answers.items():
        if name not in asked:
            raise RefusedError(
                f"The template does not ask for {name}.",
                next_step=f"Choose from {', '.join(asked)}.",
            )
        parsed = yaml.safe_load(value) if asked[name].is_bool and isinstance(value, str) else value
        if asked[name].is_bool and not isinstance(parsed, bool):
            raise RefusedError(
                f"{name} is yes or no, not {value}.", next_step="Answer with true or false."
            )
        checked[name] = parsed
    return checked
