"""The sentences about an error that ends a command, or that the doctor finds.

Any other module of this project may be the one that cannot be imported, so that none is imported before it is needed.
"""

# ruff: noqa: PLC0415

import re
import traceback
from pathlib import Path
from typing import Final, NamedTuple

import typer
from rich.console import Console
from rich.text import Text

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MARKER: Final = re.compile(r"^(?:<{7}|>{7}) \S", re.MULTILINE)


class Finding(NamedTuple):
    """A line of `app doctor`: the verdict, the subject, what was found, and what to do about it."""

    verdict: str
    subject: str
    message: str
    next_step: str | None = None


def exit_code(error: Exception) -> int | None:
    """Print the cause of an error and what to do about it.

    Returns:
        The exit code; None, and nothing is printed, where the error is a fault of the code, whose traceback is needed.
    """
    code = 1
    if isinstance(error, typer.Abort):
        found = "Aborted.", "Repeat the command when it is meant."
    elif (usage := getattr(error, "format_message", None)) is not None:
        # Of the command line itself, such as an option that there is not. Without a text it has shown the help.
        context, code = getattr(error, "ctx", None), int(getattr(error, "exit_code", 2))
        command = context.command_path if context else "app"
        found = usage().strip(), f"`{command} --help` shows the commands and options."
    elif (explained := explain(error)) is not None:
        found = explained
    else:
        return None
    message, step = found
    if message:
        console = Console(highlight=False, soft_wrap=True, stderr=True)
        console.print(Text.assemble(("error: ", "bold red"), message))
        console.print(Text.assemble(("next: ", "bold"), step))
    return code


def failure(subject: str, error: Exception) -> Finding:
    """Return any error as a line of the doctor's."""
    if found := explain(error):
        return Finding("failed", subject, *found)
    from app.core.redaction import redact_text

    message = redact_text(f"does not work ({type(error).__name__}: {error})")
    return Finding("failed", subject, message, "Look for the cause in the service's log, or report it.")


def explain(error: Exception) -> tuple[str, str] | None:
    """Return the cause and the next step; None where the error is a fault of the code."""
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
    from app.cli.update import find_interrupted

    if title := find_interrupted(Path.cwd()):
        return f"{title} was interrupted.", "Run `uv run app update`: it finishes or undoes it."
    where = f"{file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}, line {line}"
    if isinstance(error, SyntaxError) and _MARKER.search(file.read_text(encoding="utf-8", errors="replace")):
        return (
            f"{where}: conflicts of an update or a merge are left there.",
            "Choose between the lines at <<<<<<< and >>>>>>>; `git diff --check` lists them all.",
        )
    cause = type(error).__name__
    # The text of any other error may hold what the module was given.
    if isinstance(error, ImportError | SyntaxError | NameError | AttributeError):
        cause = f"{cause}: {error}"
    return (
        f"{where} cannot be imported ({cause}).",
        "Correct the line, or run `uv sync`, which installs what pyproject.toml names.",
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
