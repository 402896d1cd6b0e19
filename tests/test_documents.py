"""Each link, path, command, variable and question that a document names is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT
from tests.combinations import FULL
from tests.projects import Run

# The changelog is left out: much of it is about what is gone.
OF_ASHLAR = ["README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
OF_A_PROJECT = ["README.md", "CONTRIBUTING.md", "AGENTS.md", "docs/timescaledb.md"]
SOURCES = {".py", ".toml", ".yml", ".yaml", ".example", ".mako", ".ini"}
# Names that others have chosen, and that no file here needs to spell.
FOREIGN = {"NO_PROXY", "PG_CONFIG"}
# Made by commands, or the user's.
LATER = {"migrations/kept.txt"}

# Prints the commands that are not there, of those that it is given: words, then options.
COMMANDS = """
import json, sys
from app.cli.commands import COMMANDS, load_command
for words in json.loads(sys.argv[1]):
    names = [word for word in words if not word.startswith("-")]
    command = load_command(names[0]) if names[0] in COMMANDS else None
    if commands := getattr(command, "commands", None):
        command = commands.get(names[1]) if len(names) > 1 else command
    known = {option for each in getattr(command, "params", []) for option in each.opts}
    known |= {"--help"}
    if command is None or (names[0] != "update" and {*words} - {*names} - known):
        print(*words)
"""


@pytest.fixture(scope="module")
def documents(run: Run) -> dict[Path, str]:
    """The text of each document by its path."""
    project = run.rendered(FULL)
    paths = [*(ROOT / name for name in OF_ASHLAR), *(project / name for name in OF_A_PROJECT)]
    return {path: path.read_text(encoding="utf-8") for path in paths}


@pytest.fixture(scope="module")
def files(run: Run) -> dict[str, Path]:
    """Each file and folder of the project and of the checkout, by its path in it."""
    roots = (run.rendered(FULL), ROOT, ROOT / "template", ROOT / "tests/inside")
    return {
        path.relative_to(root).as_posix(): path
        for root in roots
        for path in root.rglob("*")
        if not {".git", ".venv", ".nox"} & {*path.relative_to(root).parts}
    }


def spans(text: str) -> Iterator[str]:
    """Yield what stands between backticks, blocks apart."""
    yield from re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    )


def listed(text: str) -> Iterator[str]:
    """Yield the paths of a block that lists folders, indented ones with the folder above them."""
    for block in re.findall(r"^```\n(src/app/.*?)^```$", text, re.MULTILINE | re.DOTALL):
        folder = ""
        for line in block.splitlines():
            if found := re.match(r"(  )?([\w./]+)(?:  |$)", line):
                folder = folder if found[1] else found[2]
                yield folder * bool(found[1]) + found[2]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each `app` command, its own name and values apart."""
    lines = [*spans(text), *re.findall(r"^(uv run app .*)$", text, re.MULTILINE)]
    for found in filter(
        None, (re.match(r"(?:uv run )?app ([a-z]\b.*|[a-z]{2,}.*)", each) for each in lines)
    ):
        line = found[1].partition("#")[0].partition("&&")[0]
        words = re.sub(r'"[^"]*"', "VALUE", line.partition("|")[0]).split()
        yield [word for word in words if re.fullmatch(r"[a-z]+|--[a-z-]+|-m", word)]


def test_each_link_leads_to_a_file(documents: dict[Path, str]) -> None:
    links = [
        (path, link)
        for path, text in documents.items()
        for link in re.findall(r"\]\(([^)]+)\)", text)
        if "://" not in link
    ]
    assert len(links) > 10
    assert [(path, link) for path, link in links if not (path.parent / link).exists()] == []


def test_each_path_is_there(documents: dict[Path, str], files: dict[str, Path]) -> None:
    tops = {path.partition("/")[0] for path in files} | {"core", "serving", "models"}
    missing, count = [], 0
    for document, text in documents.items():
        for span in [*spans(text), *listed(text)]:
            name = span.removesuffix("/")
            if not re.fullmatch(r"\.?[\w-]+(/[\w.-]+)+|\w+\.(py|md|ya?ml|toml)", name):
                continue
            if "/" in name and name.partition("/")[0] not in tops:
                continue
            count += 1
            if name not in LATER and not any(f"/{path}".endswith(f"/{name}") for path in files):
                missing.append((document.name, name))
    assert count > 50
    assert missing == []


def test_each_variable_is_read(documents: dict[Path, str], files: dict[str, Path]) -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in files.values()
        if path.is_file() and (path.suffix in SOURCES or path.name.endswith(".jinja"))
        if path != Path(__file__)
    )
    known = {*re.findall(r"[A-Z][A-Z0-9_]+", sources)} | FOREIGN
    named = {
        (document.name, found[1])
        for document, text in documents.items()
        for span in spans(text)
        if (found := re.fullmatch(r"([A-Z]+(?:_[A-Z0-9]+)+)(=.*)?", span))
    }
    assert len(named) > 40
    assert [each for each in sorted(named) if each[1] not in known] == []


def test_each_command_is_there(run: Run, documents: dict[Path, str]) -> None:
    found = sorted({tuple(each) for text in documents.values() for each in commands(text)})
    assert len(found) > 10
    project = run.project(FULL)
    assert project.tool("python", "-c", COMMANDS, json.dumps(found)).output == ""


def test_the_readme_lists_the_questions_with_their_defaults() -> None:
    asked = {
        name: {True: "yes", False: "no"}.get(question["default"], question["default"])
        for name, question in yaml.safe_load((ROOT / "copier.yml").read_text()).items()
        if name[0] != "_" and question.get("when", True)
    }
    table = (ROOT / "README.md").read_text().partition("| Question |")[2].partition("\n\n")[0]
    rows = [row.split(" | ") for row in table.splitlines()[2:]]
    told = {
        name: default.strip()
        for names, defaults, _ in rows
        for name, default in zip(re.findall(r"`(\w+)`", names), defaults.split(","), strict=True)
    }
    assert told.keys() == asked.keys()
    computed = {"author_name", "author_email"}
    assert {k: v for k, v in told.items() if k not in computed} == {
        k: v for k, v in asked.items() if k not in computed
    }
