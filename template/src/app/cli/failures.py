"""The sentences about an error that ends a command, or that the doctor finds.

At its import it needs nothing but the standard library, of which any other module may be the one that cannot be
imported.
"""

# ruff: noqa: PLC0415

import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from app.core.exceptions import AppException

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MIGRATIONS: Final = re.compile(r"/migrations/(?:versions/)?[^/]+\.py$")
_MARKER: Final = re.compile(r"^(?:<{7}|>{7}) \S", re.MULTILINE)


class Sentences(NamedTuple):
    """A cause and the next step, both without secrets."""

    message: str
    next_step: str


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
    import typer

    if isinstance(error, typer.Abort):
        sys.stderr.write("Aborted.\n")
        return 1
    # Of the command line itself, such as an option that there is not. Without a text it has shown the help.
    if (usage := getattr(error, "format_message", None)) is not None:
        if text := usage().strip():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "app"
            _print(Sentences(text, f"`{command} --help` shows the commands and options."))
        return int(getattr(error, "exit_code", 2))
    found = explain(error)
    if found is None:
        return None
    _print(found)
    return 1


def failure(subject: str, error: Exception) -> Finding:
    """Return any error as a line of the doctor's."""
    if found := explain(error):
        return Finding("failed", subject, *found)
    from app.core.redaction import redact_text

    message = redact_text(f"does not work ({type(error).__name__}: {error})")
    return Finding("failed", subject, message, "Look for the cause in the service's log, or report it.")


def explain(error: Exception) -> Sentences | None:
    """Return the cause and the next step; None where the error is a fault of the code."""
    if found := _explain_import(error):
        from app.cli.update import find_interrupted

        if title := find_interrupted(Path.cwd()):
            return Sentences(f"{title} was interrupted.", "Run `uv run app update`: it finishes or undoes it.")
        return found
    # What cannot be imported has been explained already.
    from app.core.exceptions import AppException
    from app.core.redaction import redact_text

    if isinstance(error, AppException):
        found = _explain_application(error)
    elif isinstance(error, OSError) and error.strerror:
        file = f" ({error.filename})" if error.filename else ""
        found = Sentences(f"{error.strerror}{file}.", "Check the file, its folder's rights and the room on the disk.")
    else:
        return None
    return Sentences(redact_text(found.message), redact_text(found.next_step))


def _explain_application(error: "AppException") -> Sentences:
    from app.core import exceptions

    if isinstance(error, exceptions.ConfigurationError) and error.next_step:
        return Sentences(error.message, error.next_step)
    if isinstance(error, exceptions.DatabaseConnectionError):
        from app.core.database.errors import explain as explain_connection  # it brings the driver

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


def _explain_import(error: BaseException) -> Sentences | None:
    """Return what is said about a module that cannot be imported; None when the error is another one."""
    if isinstance(error, SyntaxError) and error.filename:
        file, number = Path(error.filename), error.lineno or 0
    elif places := list(_places(error)):
        file, number = places[-1]
    else:
        return None
    where = f"{_shown(file)}, line {number}"
    broken = f"{_module(file)} cannot be imported ({where}"
    if isinstance(error, PackageNotFoundError):
        return Sentences(
            f"this project is not installed under the name {error.name}, which {where} asks for.",
            "Make DISTRIBUTION in src/app/wiring.py the name in pyproject.toml, then run `uv sync`.",
        )
    if isinstance(error, SyntaxError):
        if file.is_file() and _MARKER.search(file.read_text(encoding="utf-8", errors="replace")):
            return Sentences(
                f"{where}: conflicts of an update or a merge are left there.",
                "Choose between the lines at <<<<<<< and >>>>>>>; `git diff --check` lists them all.",
            )
        return Sentences(f"{broken}): {error.msg}.", "Correct the line.")
    if isinstance(error, ImportError):
        line = linecache.getline(str(file), number).strip()
        # The place where the interpreter found the module is of no help, and long.
        cause = re.sub(r" \(/[^()]*\)$", "", str(error))
        name = (error.name or "").partition(".")[0]
        step = "Correct the line, or take the file that it needs back from git: `git status` shows what is gone."
        if isinstance(error, ModuleNotFoundError) and name != _PACKAGE.name:
            step = f"Run `uv sync`, which installs what pyproject.toml names; `uv add` names the package of {name}."
        return Sentences(f"{broken}, `{line}`): {cause}.", step)
    # Its text may hold anything that the module was given.
    cause = type(error).__name__
    if isinstance(error, NameError | AttributeError):
        cause = f"{cause}: {error}"
    return Sentences(f"{broken}): {cause}.", "Correct the line.")


def _places(error: BaseException) -> Iterator[tuple[Path, int]]:
    """Yield the lines of this project at which an import failed.

    What a function imports fails there; anything else only counts where a module is being made.
    """
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        ours = Path(file).is_relative_to(_PACKAGE)
        # `migrations/env.py` runs the migrations while it is imported: their errors are none of its own.
        migration = _MIGRATIONS.search(file) and isinstance(error, ImportError | NameError)
        at_import = frame.f_code.co_name == "<module>" or isinstance(error, ImportError)
        if (ours or migration) and at_import:
            yield Path(file), line


def _module(file: Path) -> str:
    if not file.is_relative_to(_PACKAGE.parent):
        return file.name
    parts = file.relative_to(_PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _shown(file: Path) -> str:
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)


def _print(found: Sentences) -> None:
    from rich.console import Console
    from rich.text import Text

    err = Console(highlight=False, soft_wrap=True, stderr=True)
    err.print(Text.assemble(("error: ", "bold red"), found.message))
    err.print(Text.assemble(("next: ", "bold"), found.next_step))
