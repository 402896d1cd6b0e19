"""SPEC §2's table: a rendered project is small enough to be read in an afternoon."""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.combinations import BARE, COMBINATIONS, EXAMPLE, FULL, Combination
from tests.projects import Run, tree

(DEFAULT,) = (each for each in COMBINATIONS if each.on == {EXAMPLE})


@dataclass(frozen=True, kw_only=True)
class Row:
    """A limit.

    Attributes:
        combination: The project that is measured.
        folder: The part of it.
        figure: `lines`, `files` or `code` (lines without docstrings, comments and blank ones).
        most: The limit.
    """

    combination: Combination
    folder: str
    figure: str
    most: int

    @property
    def id(self) -> str:
        """The row's name in reports."""
        return f"{self.combination.id}-{self.folder or 'all'}-{self.figure}"


# Jobs, mail, accounts and telemetry are in these figures.
ROWS = (
    Row(combination=DEFAULT, folder="", figure="files", most=300),
    Row(combination=DEFAULT, folder="src/app", figure="lines", most=10_000),
    Row(combination=DEFAULT, folder="src/app", figure="files", most=150),
    Row(combination=DEFAULT, folder="src/app", figure="code", most=6_200),
    Row(combination=DEFAULT, folder="devtools", figure="lines", most=1_400),
    Row(combination=DEFAULT, folder="tests", figure="lines", most=11_000),
    Row(combination=DEFAULT, folder="tests", figure="files", most=105),
    Row(combination=BARE, folder="src/app", figure="lines", most=9_300),
    Row(combination=FULL, folder="src/app", figure="lines", most=14_500),
    Row(combination=FULL, folder="src/app", figure="files", most=205),
)


def measure(project: Path, folder: str) -> dict[str, int]:
    """Return the figures of a folder; markers of types and empty modules are files, too."""
    files = tree(project / folder)
    lines = sum(content.count(b"\n") for content in files.values())
    code = sum(lines_of_code(text) for path, text in files.items() if path.endswith(".py"))
    return {"files": len(files), "lines": lines, "code": code}


def lines_of_code(source: bytes) -> int:
    """Count the lines with something other than docstrings, comments and blanks."""
    skipped = {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
    lines: set[int] = set()
    before = tokenize.NEWLINE
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        # A string where a statement begins is a docstring.
        begins = before in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
        if token.type in {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING}:
            continue
        if token.type not in skipped and not (token.type == tokenize.STRING and begins):
            lines.update(range(token.start[0], token.end[0] + 1))
        before = token.type
    return len(lines)


@pytest.mark.parametrize("row", ROWS, ids=lambda each: each.id)
def test_a_limit_of_size_is_kept(run: Run, row: Row) -> None:
    found = measure(run.rendered(row.combination), row.folder)[row.figure]
    assert found <= row.most


@pytest.mark.parametrize("combination", [DEFAULT, BARE, FULL], ids=lambda each: each.id)
def test_the_table_by_package_is_shown(run: Run, combination: Combination) -> None:
    """The report has it: `pytest -rP tests/test_size.py`."""
    project = run.rendered(combination)
    inside = [
        f"{parent}/{path.name}"
        for parent in ("src/app", "src/app/core", "src/app/api")
        for path in sorted((project / parent).iterdir())
        if path.is_dir()
    ]
    print(f"\n{combination.id:38} {'lines':>7} {'files':>6} {'code':>6}")
    for folder in ("", "src/app", *inside, "devtools", "tests", "docs", "deploy"):
        if (project / folder).is_dir():
            found = measure(project, folder)
            print(f"{folder or 'all':38} {found['lines']:7} {found['files']:6} {found['code']:6}")
    assert measure(project, "src/app")["code"] > 1_000


def test_code_is_counted_without_docstrings_comments_and_blanks() -> None:
    source = b'"""What."""\n\nimport os  # why\n\n\nclass A:\n    """\n    B.\n    """\n\n'
    source += b'    text = """a\nb"""\n\n    # Why.\n    def c(self) -> str:\n        "D."\n'
    assert lines_of_code(source + b"        return (\n            os.name\n        )\n") == 8
