"""Copier, hastened from outside: what makes it slow is done once, and it tells files, not lines.

Where a later Copier has another shape, it is only slower, and prints more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def hasten() -> None:
    """Have Jinja compile each text once, and Copier render the answers file's name once."""
    from copier import _main
    from jinja2 import Environment

    compile_ = Environment.compile
    compiled: dict[Hashable, Any] = {}

    def compile_once(self: Environment, source: Any, *more: Any, **others: Any) -> Any:
        if not isinstance(source, str):
            return compile_(self, source, *more, **others)
        key = (source, more, *sorted(others.items()), _syntax(self))
        if key not in compiled:
            compiled[key] = compile_(self, source, *more, **others)
        return compiled[key]

    Environment.compile = compile_once  # type: ignore[method-assign]
    worker: Any = getattr(_main, "Worker", object)
    name = vars(worker).get("answers_relpath")
    if isinstance(name, property) and name.fget:
        worker.answers_relpath = property(_once_each(name.fget))
    render = vars(worker).get("_render_string")
    if render:
        worker._render_string = _unless_plain(render)
    # Asked for each file, only to set an executable bit in an index, which there is none of here.
    if hasattr(_main, "is_git_available"):
        _main.is_git_available = cache(lambda: False)


def _syntax(environment: Environment) -> Hashable:
    """Return what else decides the code that a text is compiled to."""
    return (
        environment.block_start_string,
        environment.variable_start_string,
        environment.comment_start_string,
        environment.trim_blocks,
        environment.lstrip_blocks,
        environment.keep_trailing_newline,
        *sorted(environment.extensions),
    )


def _unless_plain(render: Callable[..., str]) -> Callable[..., str]:
    """Return a method that renders a text, unless it says nothing to Jinja, as most paths do."""

    def quick(self: Any, string: Any, *more: Any, **others: Any) -> str:
        environment = self.jinja_env
        starts = (
            environment.block_start_string,
            environment.variable_start_string,
            environment.comment_start_string,
            "\n",
        )
        if isinstance(string, str) and not any(start in string for start in starts):
            return string
        return render(self, string, *more, **others)

    return quick


def _once_each(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of one object that is called once for each."""
    known: dict[int, Any] = {}

    def cached(subject: Any) -> Any:
        if id(subject) not in known:
            known[id(subject)] = function(subject)
        return known[id(subject)]

    return cached


def listen(on_file: Callable[[str], None], on_question: Callable[[], None]) -> None:
    """Have Copier tell each file instead of printing a line about it, and ask in few words.

    Args:
        on_file: Is told the path of a file or folder that is written.
        on_question: Is called before each question.
    """
    from copier import _main

    asked = getattr(_main, "unsafe_prompt", None)

    def tell(action: str, message: Any = "", *_: Any, **__: Any) -> None:
        del action
        on_file(str(message))

    def ask(questions: list[dict[str, Any]], *more: Any, **others: Any) -> Any:
        on_question()
        # The rule in brackets is said again by the validator when it is broken.
        short = [
            each | {"qmark": "?", "message": f"{each['message'].partition(' (')[0].strip()} "}
            for each in questions
        ]
        return asked(short, *more, **others) if asked else None

    for name, replaced in {"printf": tell, "unsafe_prompt": ask}.items():
        if hasattr(_main, name):
            setattr(_main, name, replaced)
