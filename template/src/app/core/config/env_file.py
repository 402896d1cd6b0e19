"""A file of settings, of which each value is taken as it is written, or refused."""

import difflib
import io
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dotenv.parser import Binding, parse_stream

from app.core.config.section import Problem

# The text behind the first `=` of an assignment, and what stands between its quotes.
_BEHIND_NAME: Final = re.compile(r"\s*(?:export\s+)?[^=]*=[^\S\r\n]*(.*)", re.DOTALL)
_QUOTED: Final = re.compile(r"(['\"])((?:\\.|(?!\1)[^\\])*)\1", re.DOTALL)
_EXPANDED: Final = re.compile(r"\$\{[^}]*\}")
_ASSIGNMENT: Final = re.compile(r"^\s*(?:export\s+)?[A-Za-z_]\w*[^\S\r\n]*=", re.MULTILINE)


class EnvFile(NamedTuple):
    """The content of a file of settings.

    Attributes:
        values: The values by their variables; those that are empty are left out.
        problems: The lines that cannot be taken as they are.
    """

    values: dict[str, str]
    problems: list[Problem]


def read_env_file(path: Path, known: Collection[str]) -> EnvFile:
    """Read a file; one that is not there is empty.

    Args:
        path: The file.
        known: The variables that may stand in it. It is the application's alone, so that every name must be known.
    """
    try:
        # Editors on Windows begin a file with a mark that is no part of the first name.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return EnvFile({}, [])
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        rule = f"cannot be read ({cause}); make it a readable text file in UTF-8, one NAME=value a line"
        return EnvFile({}, [Problem(path.name, rule)])
    bindings = list(parse_stream(io.StringIO(text)))
    values = {binding.key: binding.value for binding in bindings if binding.key and binding.value}
    return EnvFile(values, list(_problems(path.name, bindings, known)))


def _problems(file: str, bindings: list[Binding], known: Collection[str]) -> Iterator[Problem]:
    # The parser drops in silence what it cannot read.
    if broken := [str(_line(each)) for each in bindings if each.error or (each.key and each.value is None)]:
        yield Problem(file, f"cannot be understood in line {', '.join(broken)}; write NAME=value")
    lines: dict[str, list[int]] = {}
    for binding in bindings:
        if binding.key and binding.value is not None:
            lines.setdefault(binding.key, []).append(_line(binding))
            if binding.key in known and (rule := _rewriting(binding, f"{file}, line {_line(binding)}")):
                yield Problem(binding.key, rule)
    for name, found in lines.items():
        if name not in known:
            match = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {match[0]}?" if match else "remove it, or add it to a section of the settings"
            yield Problem(name, f"is no setting of this application ({file}, line {found[0]}); {hint}")
        elif len(found) > 1:
            yield Problem(name, f"is set more than once, in {file}, lines {', '.join(map(str, found))}; keep one")


def _rewriting(binding: Binding, place: str) -> str | None:
    """Return the rule that a value breaks when it would not arrive as it is written; None when it does."""
    behind = _BEHIND_NAME.fullmatch(binding.original.string)
    written = behind[1].strip() if behind else ""
    quoted = _QUOTED.match(written)
    literal = quoted[2] if quoted else written
    if quoted is None and binding.value != literal:
        return f"is cut at the # in {place}; put the value in single quotes, or the comment on a line of its own"
    if quoted and _ASSIGNMENT.search(literal.partition("\n")[2]):
        return f"begins with a quote in {place}, that is closed lines later, behind other settings; close it there"
    if binding.value != literal:
        return f"has a backslash in {place}, that quotes make another character of; write the value without quotes"
    if not (quoted and quoted[1] == "'") and _EXPANDED.search(literal):
        return f"has ${{…}} in {place}, which other readers of the file replace; put the value in single quotes"
    return None


def _line(binding: Binding) -> int:
    """Return where it begins; the parser counts blank lines before it as its own."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
