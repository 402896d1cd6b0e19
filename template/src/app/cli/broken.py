"""A module of this project that cannot be imported: which, by which line, why, and what to do about it.

It needs nothing but the standard library, of which any other module may be the one.
"""

import linecache
import re
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Final, NamedTuple

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MIGRATIONS: Final = re.compile(r"/migrations/(?:versions/)?[^/]+\.py$")
_MARKER: Final = re.compile(r"^(?:<{7}|>{7}) \S", re.MULTILINE)


class Sentences(NamedTuple):
    """A cause and the next step, both without secrets."""

    message: str
    next_step: str


class _Place(NamedTuple):
    """A line of this project's code, and whether it stands outside of every function."""

    file: str
    line: int
    at_import: bool


def explain_import(error: BaseException) -> Sentences | None:
    """Return what is said about a module that cannot be imported; None when the error is another one."""
    if isinstance(error, SyntaxError) and error.filename:
        place = _Place(error.filename, error.lineno or 0, at_import=True)
    else:
        places = list(_places(error))
        # What is imported by a function fails there; anything else only counts where a module is being made.
        wanted = [place for place in places if place.at_import or isinstance(error, ImportError)]
        if not wanted:
            return None
        place = wanted[-1]
    file = Path(place.file)
    where = f"{_shown(file)}, line {place.line}"
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
        return Sentences(f"{_module(file)} cannot be imported ({where}): {error.msg}.", "Correct the line.")
    line = linecache.getline(place.file, place.line).strip()
    if isinstance(error, ImportError):
        # Where the interpreter found the module is of no help, and long.
        cause = re.sub(r" \(/[^()]*\)$", "", str(error))
        return Sentences(f"{_module(file)} cannot be imported ({where}, `{line}`): {cause}.", _step(error))
    # Its text may hold whatever the module was given.
    cause = type(error).__name__
    if isinstance(error, NameError | AttributeError):
        cause = f"{cause}: {error}"
    return Sentences(f"{_module(file)} cannot be imported ({where}): {cause}.", "Correct the line.")


def _step(error: ImportError) -> str:
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name != _PACKAGE.name:
        return f"Run `uv sync`, which installs what pyproject.toml names; `uv add` names the package that has {name}."
    return "Correct the line, or take the file that it needs back from git: `git status` shows what is gone."


def _places(error: BaseException) -> Iterator[_Place]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        ours = Path(file).is_relative_to(_PACKAGE)
        # `migrations/env.py` runs the migrations while it is imported: their errors are none of its own.
        if ours or (_MIGRATIONS.search(file) and isinstance(error, ImportError | NameError)):
            yield _Place(file, line, at_import=frame.f_code.co_name == "<module>")


def _module(file: Path) -> str:
    if not file.is_relative_to(_PACKAGE.parent):
        return file.name
    parts = file.relative_to(_PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _shown(file: Path) -> str:
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
