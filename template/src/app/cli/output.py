"""The output of commands, and what they ask."""

import sys

import typer
from rich.console import Console

from app.core.exceptions import ConfigurationError

# Results on standard output, everything else on standard error.
out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def ask(question: str, *, secret: bool = False, instead: str) -> str:
    """Return a person's answer.

    Args:
        question: One line.
        secret: The answer is not shown.
        instead: The next step where there is no terminal.

    Raises:
        ConfigurationError: There is no terminal to ask in.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask in.", next_step=instead)
    import questionary  # noqa: PLC0415 — a whole terminal toolkit, for the few commands that ask

    answer = (questionary.password if secret else questionary.text)(question).ask()
    if answer is None:
        raise typer.Abort
    return str(answer)
