"""The English of a rendered project is plain: DESIGN's rules 10 and 11."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.combinations import FULL
from tests.projects import Run

OPENINGS = re.compile(
    r"(What|Whether|Whoever|Who|Whom|Whose|Where|How|Everything|Anything|Everybody)\b"
)
WORDS = re.compile(r"\b(somebody|nobody|whoever|whomever|belongs into)\b", re.IGNORECASE)
# Quoted names are not English: `nobody` is a user of the system.
QUOTED = re.compile(r"`[^`]*`")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
MOST_OPENINGS = 0.01


def sources(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the modules of the project with everything in it, by their paths."""
    project = run.rendered(FULL)
    for path in sorted(project.rglob("*.py")):
        yield str(path.relative_to(project)), path.read_text(encoding="utf-8")


def own_sources() -> Iterator[tuple[str, str]]:
    """Yield the factory's modules by their paths, but this one, which quotes the words."""
    for path in sorted(
        [*ROOT.glob("*.py"), *ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")]
    ):
        if path != Path(__file__):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield each docstring, attributes' included, with its line."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for child in getattr(node, "body", []) if isinstance(node, DOCUMENTED) else []:
            match child:
                case ast.Expr(ast.Constant(str(text))):
                    yield child.lineno, text


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield docstrings, comments and the strings with more than one word: messages."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string
        if token.type == tokenize.COMMENT or (
            token.type in {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
            and " " in text.strip("\"' ")
        ):
            yield token.start[0], text


def test_docstrings_open_with_the_thing(run: Run) -> None:
    found = []
    count = 0
    for path, source in sources(run):
        for line, text in docstrings(source):
            count += 1
            if OPENINGS.match(text.strip()):
                found.append(f"{path}:{line}: {text.strip().splitlines()[0]}")
    assert count > 1_000
    assert len(found) <= MOST_OPENINGS * count, "\n".join([f"{len(found)} of {count}", *found])


def test_every_sentence_names_its_subject(run: Run) -> None:
    found = [
        f"{path}:{line}: {text.strip()}"
        for path, source in [*sources(run), *own_sources()]
        for line, text in sentences(source)
        if WORDS.search(QUOTED.sub("", text))
    ]
    assert found == [], "\n".join([str(len(found)), *found])


def test_documents_name_their_subjects(run: Run) -> None:
    project = run.rendered(FULL)
    kept = {".cfg", ".ini", ".jinja", ".mako", ".md", ".toml", ".yaml", ".yml", ".example"}
    found = [
        f"{path.relative_to(project)}:{number}: {line.strip()}"
        for path in sorted(project.rglob("*"))
        if path.is_file() and (path.suffix in kept or path.name == "Dockerfile")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if WORDS.search(QUOTED.sub("", line))
    ]
    assert found == [], "\n".join([str(len(found)), *found])


@pytest.mark.parametrize(
    ("text", "found"),
    [("Nobody may.", True), ("the user `nobody`", False), ("whoever asks", True)],
)
def test_words_are_found(text: str, *, found: bool) -> None:
    assert bool(WORDS.search(QUOTED.sub("", text))) is found


def test_sentences_are_docstrings_comments_and_messages() -> None:
    source = '"""A module."""\n\nNAME = "nobody"  # of the system\nraise_("It is not here.")\n'
    assert [text for _, text in sentences(source)] == [
        '"""A module."""',
        "# of the system",
        '"It is not here."',
    ]
