"""The output of commands: results, questions, and the sentences about an error."""

# `app update` and `app doctor` work where a module cannot be imported: none is, before it is needed.
# ruff: noqa: PLC0415

import sys
from typing import NamedTuple, NoReturn

import typer
from rich.console import Console
from rich.text import Text

# Results on standard output, everything else on standard error. Text is printed as it is: it may be another's.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)


class Finding(NamedTuple):
    """A line of `app doctor`: the verdict, the subject, what was found, and what to do about it."""

    verdict: str
    subject: str
    message: str
    next_step: str | None = None


async def ask(question: str, *, secret: bool = False, instead: str) -> str:
    """Return a person's answer, shown unless it is secret; ConfigurationError where there is no terminal to ask in."""
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
    from alembic.util import CommandError

    from app.core.database.errors import explain as explain_connection
    from app.core.exceptions import AppException, DatabaseConnectionError
    from app.core.redaction import redact_text

    if isinstance(error, DatabaseConnectionError):
        message, step = explain_connection(error)
    elif isinstance(error, AppException):
        message = error.message
        step = getattr(error, "next_step", None) or "Correct it and run the command again, or ask `app doctor`."
    elif isinstance(error, CommandError):
        message = f"Alembic: {error}"
        step = "`app db current` shows where the database is; `app db merge` joins several newest revisions."
    elif isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}{f' ({error.filename})' if error.filename else ''}."
        step = "Check the file, its folder's rights and the room on the disk."
    else:
        return None
    return redact_text(message), redact_text(step)
