"""The output of commands: results, questions, and the sentences about an error.

Any other module of this project may be the one that cannot be imported, so that none is imported before it is needed.
"""

# ruff: noqa: PLC0415

import os
import sys
import traceback
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import typer
from rich.console import Console
from rich.text import Text

# Results on standard output, everything else on standard error. Text is printed as it is: it may be another's.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)

_PACKAGE: Final = Path(__file__).resolve().parents[1]


class Finding(NamedTuple):
    """A line of `app doctor`: the verdict, the subject, what was found, and what to do about it."""

    verdict: str
    subject: str
    message: str
    next_step: str | None = None


async def ask(question: str, *, secret: bool = False, instead: str) -> str:
    """Return a person's answer.

    Args:
        question: One line.
        secret: The answer is not shown.
        instead: The next step where there is no terminal.

    Raises:
        ConfigurationError: There is no terminal to ask in.
    """
    from app.core.exceptions import ConfigurationError

    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask in.", next_step=instead)
    import questionary  # a whole terminal toolkit, for the few commands that ask

    answer = await (questionary.password if secret else questionary.text)(question).ask_async()
    if answer is None:
        raise typer.Abort
    return str(answer)


def fail(message: str, next_step: str) -> NoReturn:
    """Print the cause of an error and what to do about it, and end the process with exit code 1."""
    err.print(Text.assemble(("error: ", "bold red"), message))
    err.print(Text.assemble(("next: ", "bold"), next_step))
    raise SystemExit(1)


def explain(error: Exception) -> tuple[str, str] | None:
    """Return the cause of an error and the next step; None for a fault of the code, whose traceback is needed."""
    if place := _failing_import(error):
        return _explain_import(error, *place)
    # What cannot be imported has been explained already.
    from app.core import exceptions
    from app.core.redaction import redact_text

    if isinstance(error, exceptions.DatabaseConnectionError):
        from app.core.database.errors import explain as explain_connection  # it brings the driver

        message, step = explain_connection(error)
    elif isinstance(error, exceptions.AppException):
        message = error.message
        step = getattr(error, "next_step", None) or "Correct it and run the command again, or ask `app doctor`."
    elif isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}{f' ({error.filename})' if error.filename else ''}."
        step = "Check the file, its folder's rights and the room on the disk."
    else:
        return None
    return redact_text(message), redact_text(step)


def _explain_import(error: Exception, file: Path, line: int) -> tuple[str, str]:
    cause = type(error).__name__
    # The text of any other error may hold what the module was given.
    if isinstance(error, ImportError | SyntaxError | NameError | AttributeError):
        cause = f"{cause}: {error}"
    return (
        f"{os.path.relpath(file)}, line {line} cannot be imported ({cause}).",
        "Correct the line, or run `uv sync`, which installs what pyproject.toml names; `app doctor` begins with what "
        "an update or a merge has left.",
    )


def _failing_import(error: Exception) -> tuple[Path, int] | None:
    """Return the line of this project, migrations included, at which an import failed; None for any other error.

    What a function imports fails there; anything else only counts where a module is being made.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename), error.lineno or 0
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if (frame.f_code.co_name == "<module>" or isinstance(error, ImportError)) and (
            file.is_relative_to(_PACKAGE) or file.parent.name == "versions"
        ):
            found = file, line
    return found
