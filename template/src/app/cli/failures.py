"""What is said about an error that ends a command, or a check of the doctor's."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.broken import Sentences, explain_import

if TYPE_CHECKING:
    from app.core.exceptions import AppException


def exit_code(error: Exception) -> int | None:
    """Say what is wrong and what to do about it.

    Returns:
        The exit code; None, and nothing is said, where the error is a fault of the code, whose traceback is needed.
    """
    import typer  # noqa: PLC0415 — as below

    if isinstance(error, typer.Abort):
        sys.stderr.write("Aborted.\n")
        return 1
    # Of the command line itself, such as an option that there is not. Without a text it has shown the help.
    if (usage := getattr(error, "format_message", None)) is not None:
        if text := usage().strip():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "app"
            _say(Sentences(text, f"`{command} --help` shows the commands and options."))
        return int(getattr(error, "exit_code", 2))
    found = explain(error)
    if found is None:
        return None
    _say(found)
    return 1


def explain(error: Exception) -> Sentences | None:
    """Return the cause and the next step; None where the error is a fault of the code."""
    if found := explain_import(error):
        return _interrupted() or found
    # Here and not above: what cannot be imported has been explained already.
    from app.core.exceptions import AppException  # noqa: PLC0415
    from app.core.redaction import redact_text  # noqa: PLC0415

    if isinstance(error, AppException):
        found = _of_application(error)
    elif isinstance(error, OSError) and error.strerror:
        file = f" ({error.filename})" if error.filename else ""
        found = Sentences(f"{error.strerror}{file}.", "Check the file, its folder's rights and the room on the disk.")
    else:
        return None
    return Sentences(redact_text(found.message), redact_text(found.next_step))


def _of_application(error: "AppException") -> Sentences:
    from app.core import exceptions  # noqa: PLC0415

    if isinstance(error, exceptions.ConfigurationError) and error.next_step:
        return Sentences(error.message, error.next_step)
    if isinstance(error, exceptions.DatabaseConnectionError):
        from app.core.database.errors import explain as explain_connection  # noqa: PLC0415 — it brings the driver

        return Sentences(*explain_connection(error))
    match error:
        case exceptions.ResourceNotFoundError():
            step = "Check how it is spelt, and what there is."
        case exceptions.ResourceExistsError():
            step = "Choose another name, or use the one that is there."
        case exceptions.ValidationError():
            step = "Correct it, and run the command again."
        case _:
            step = "Run `app doctor`, which checks every setting and service."
    return Sentences(error.message, step)


def _interrupted() -> Sentences | None:
    from app.cli.update import find_interrupted  # noqa: PLC0415 — for this case alone

    if title := find_interrupted(Path.cwd()):
        return Sentences(f"{title} was interrupted.", "Run `uv run app update`: it finishes or undoes it.")
    return None


def _say(found: Sentences) -> None:
    from rich.console import Console  # noqa: PLC0415 — for this alone
    from rich.text import Text  # noqa: PLC0415

    err = Console(highlight=False, soft_wrap=True, stderr=True)
    err.print(Text.assemble(("error: ", "bold red"), found.message))
    err.print(Text.assemble(("next: ", "bold"), found.next_step))
