"""A file of settings, of which each value is taken as it is written, or refused where other readers would change it."""

import difflib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from app.core.config.section import Problem

# A name, and a value in quotes that close in the same line, or one without quotes.
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:(['\"])(.*?)\2(?:\s+#.*)?|(.*))")


def read_env_file(path: Path, known: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the values of a file that are not empty, by their variables, and what is wrong with its lines.

    A file that is not there is empty. It is the application's alone, so that every name in it must be known.
    """
    try:
        # Editors on Windows begin a file with a mark that is no part of the first name.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        return {}, [
            Problem(path.name, f"cannot be read ({cause}); make it a text file in UTF-8, one NAME=value a line")
        ]
    values: dict[str, str] = {}
    problems: list[Problem] = []
    broken: list[str] = []
    unclosed = False
    for number, line in enumerate(map(str.strip, lines), start=1):
        place = f"{path.name}, line {number}"
        if not line or line.startswith("#"):
            continue
        assignment = _ASSIGNMENT.fullmatch(line)
        # Below a quote that is not closed, a name that is not known may be a part of a secret.
        if assignment is None or (unclosed and assignment[1] not in known):
            broken.append(str(number))
            continue
        name, quote, quoted, bare = assignment.groups()
        unclosed = unclosed or (quote is None and bare.startswith(("'", '"')))
        if name not in known:
            problems.append(Problem(name, f"is no setting of this application ({place}){did_you_mean(name, known)}"))
        elif name in values:
            problems.append(Problem(name, f"is set more than once, again in {place}; keep one"))
        elif rule := _rule_broken_by(line, quote, quoted or bare):
            problems.append(Problem(name, rule.format(place=place)))
        values[name] = quoted if quote else bare
    if broken:
        problems.append(Problem(path.name, f"cannot be understood in line {', '.join(broken)}; write NAME=value"))
    return {name: value for name, value in values.items() if value}, problems


def did_you_mean(name: str, known: Collection[str], *, cutoff: float = 0.6) -> str:
    """Return the end of a sentence that asks for the known name most like this one; empty where none is."""
    match = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"; did you mean {match[0]}?" if match else ""


def _rule_broken_by(line: str, quote: str | None, value: str) -> str | None:
    """Return the rule that a value breaks which shells, Compose or python-dotenv would not take as it is written."""
    if quote is None and value.startswith(("'", '"')):
        return "begins with a quote in {place}, that must be closed in the same line"
    if quote is None and re.search(r"\s#", line):
        return "is cut at the # in {place}; put the value in single quotes, or the comment on a line of its own"
    if quote != "'" and "${" in value:
        return "has ${{…}} in {place}, which other readers of the file replace; put the value in single quotes"
    if quote and (quote in value or "\\" in value):
        return "has a backslash or a quote in {place}, of which quotes make another text; write it without quotes"
    return None
