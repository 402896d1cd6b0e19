"""The files of template/ as text: the budget of SPEC §1 and what DESIGN calls template craft."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT, TEMPLATE, template_files, tracked_files
from tests.template_craft import problems, variables

MAX_TEMPLATED = 16
MAX_TEMPLATED_PYTHON = 4
MAX_LINES_OF_PYTHON = 300

FILES = template_files()
TEMPLATED = [path for path in FILES if path.suffix == ".jinja"]
PLAIN = [path for path in FILES if path.suffix != ".jinja"]
ANSWERS_FILE = Path("{{_copier_conf.answers_file}}.jinja")

CONFIGURATION = yaml.safe_load((ROOT / "copier.yml").read_text())
QUESTIONS = {name for name in CONFIGURATION if not name.startswith("_")}
# What only copier.yml itself needs.
PRIVATE = {"folder_is_free", "forbidden_characters"}


def text(path: Path) -> str:
    return (TEMPLATE / path).read_text(encoding="utf-8")


def test_the_budget_of_templated_files_is_kept() -> None:
    assert len(TEMPLATED) <= MAX_TEMPLATED
    assert len([path for path in TEMPLATED if path.name.endswith(".py.jinja")]) <= (
        MAX_TEMPLATED_PYTHON
    )


def test_names_of_files_are_plain() -> None:
    assert [path for path in FILES if "{" in str(path) and path != ANSWERS_FILE] == []
    assert ANSWERS_FILE in FILES


@pytest.mark.parametrize("path", TEMPLATED, ids=str)
def test_a_templated_file_uses_only_known_variables(path: Path) -> None:
    used = variables(text(path))
    copiers = {"_copier_answers"} if path == ANSWERS_FILE else set()
    assert used <= (QUESTIONS - PRIVATE) | copiers
    # git would obey a .gitignore of the template's own; that one has another reason for its suffix.
    assert used or path.name == ".gitignore.jinja"


@pytest.mark.parametrize("path", TEMPLATED, ids=str)
def test_a_templated_file_keeps_to_the_craft(path: Path) -> None:
    scaffolded_once = str(path.with_suffix("")) in CONFIGURATION["_skip_if_exists"]
    assert list(problems(text(path), merged=not scaffolded_once)) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% if a %}\nx\n{% else %}\ny\n{% endif %}\n", "else"),
        ("{% if a %}\nx\n{% elif b %}\ny\n{% endif %}\n", "elif"),
        ("{% if a %}\n{% if b %}\nx\n{% endif %}\n{% endif %}\n", "within"),
        ("{% if a %}\nx\n    {% if b %}\nx\n    {% endif %}\n{% endif %}\n", "within"),
        ("{% for a in b %}\nx\n{% endfor %}\n", "For"),
        ("{{ a if b }}\n", "CondExpr"),
        ("{% set a = 1 %}\n", "Assign"),
        ("{# a #}\n", "comment"),
        ("x {% if a %}\ny\n{% endif %}\n", "line of its own"),
        ("{%- if a %}\ny\n{% endif %}\n", "line of its own"),
        (
            "{% if use_stripe %}\nx\n{% endif %}\n{% if use_redis %}\ny\n{% endif %}\nz\n",
            "the order is",
        ),
        ("{% if use_redis %}\nx\n{% endif %}\n\n", "constant"),
        ("x\n{% if use_redis %}\nx\n{% endif %}\n", "constant"),
        ("[\n    z\n{% if use_redis %}\n    x\n{% endif %}\n]\n", "constant"),
    ],
)
def test_the_craft_is_checked(source: str, problem: str) -> None:
    assert problem in " ".join(problems(source))


def test_what_the_craft_allows() -> None:
    block = "    {% if use_redis %}\n    x\n    {% endif %}\n"
    assert list(problems(f"[\n{block}{block.replace('redis', 'stripe')}    z\n]\n")) == []
    assert list(problems('{% if license == "MIT" %}\nx\n{% endif %}\n')) == []


# The project's own templates, which it fills in when it runs.
OWN_TEMPLATES = [p for p in PLAIN if p.suffix == ".html" or Path("src/app/templates") in p.parents]


@pytest.mark.parametrize("path", [p for p in PLAIN if p not in OWN_TEMPLATES], ids=str)
def test_a_plain_file_has_no_jinja_in_it(path: Path) -> None:
    names = "|".join(sorted(QUESTIONS))
    found = re.findall(
        rf"\{{%-? *(?:if|for|endif|set|raw|block|macro)\b.*|(?<!\$)\{{\{{-? *(?:{names})\b.*",
        text(path),
    )
    assert found == [], f"{path} would be copied as it is; name it {path}.jinja"


@pytest.mark.parametrize("path", [p for p in FILES if ".py" in p.suffixes], ids=str)
def test_a_module_is_short(path: Path) -> None:
    assert len(text(path).splitlines()) <= MAX_LINES_OF_PYTHON


@pytest.mark.parametrize("path", FILES, ids=str)
def test_text_is_clean(path: Path) -> None:
    content = text(path)
    assert "\r" not in content
    assert content == "" or content.endswith("\n")
    assert not content.endswith("\n\n")
    assert [n for n, line in enumerate(content.splitlines(), 1) if line != line.rstrip()] == []


def test_nothing_belongs_to_one_machine() -> None:
    """No index of packages, no home, no lock file (it has addresses of an index in it)."""
    index = re.compile(r"https?://[^ \"']*/simple\b|index-url|files\.python" + r"hosted")
    machine = re.compile(r"/(?:home|Users)/\w+|/root/(?!\.cache/)")
    found = [
        (str(path), match.group())
        for path in tracked_files()
        if path != Path("tests") / Path(__file__).name
        for match in [*index.finditer(_read(path)), *machine.finditer(_read(path))]
    ]
    assert found == []
    locks = [
        path for path in tracked_files() if re.search(r"\.lock$|-lock\.(json|yaml)$", path.name)
    ]
    assert locks == []


def _read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")
