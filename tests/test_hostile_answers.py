"""Answers that break templates: each arrives intact everywhere, or nothing is rendered."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from pytest_copie.plugin import Copie

from tests.projects import Run

INTACT = (
    'say "hi"',
    "it's",
    "'a' \"b\" 'c'",
    "back\\slash \\n \\u0041 \\",
    '"""triple"""',
    "'''triple'''",
    "rocket 🚀 family 👩‍👩‍👧 flag 🇪🇺",
    "{{ project_name }} {% raw %} {# x #}",
    "${{ secrets.X }} $(id) `id` %(x)s {0}",
    "../../etc/passwd",
    "/etc/passwd",
    "שלום עולם 123",
    "مرحبا بالعالم",
    "我的服务",
    "Ünïcödé Łódź",
    "e\u0301te\u0301 decomposed",
    "yes",
    "null",
    "1.0",
    "3D",
    "key: value # no comment",
    "- list &anchor *alias !tag | > %",
    "[link](https://example.org) ![image](x)",
    "<script>alert(1)</script> &amp; <!-- x",
    "# heading #",
    "_under_ *star* ~~strike~~ a_b",
    "1. one",
    "class",
    "import",
    "test",
    "app",
    "fastapi",
    "Сервис ‘a’ – b",
    "typing extensions",
    "x" * 40,
    "a" + "🚀" * 39,
)

REFUSED = (
    ("", "Use a letter or a digit"),
    ("   ", "Use a letter or a digit"),
    ("!!!", "Use a letter or a digit"),
    ("___", "Use a letter or a digit"),
    ("🚀", "Use a letter or a digit"),
    (" a", "No space at either end"),
    ("a\u00a0", "No space at either end"),
    ("a\nb", "Use printable characters only"),
    ("a\n", "Use printable characters only"),
    ("a\rb", "Use printable characters only"),
    ("a\tb", "Use printable characters only"),
    ("a\0b", "Use printable characters only"),
    ("a\x1b[31mb", "Use printable characters only"),
    ("a\x7f", "Use printable characters only"),
    ("a\x85b", "Use printable characters only"),
    ("a\u2028b", "Use printable characters only"),
    ("a\u202eb", "Use printable characters only"),
    ("a\u200bb", "Use printable characters only"),
    ("a\ufeffb", "Use printable characters only"),
    ("a\udcffb", "Use printable characters only"),
    ("x" * 200, "At most"),
)

# A letter first, as RFC 1035 has it for services in Kubernetes; PEP 508 and Docker allow all of it.
SLUG = re.compile(r"[a-z]([a-z0-9-]{0,46}[a-z0-9])?")


@pytest.fixture(scope="module")
def template(run: Run) -> Path:
    """The files that answers are in."""
    return run.answered()


def shown(markdown: str) -> list[str]:
    """Return what a reader sees of each heading and paragraph of `markdown`."""
    return [
        "".join(
            part.content for part in token.children or [] if part.type in {"text", "text_special"}
        )
        for token in MarkdownIt("commonmark").parse(markdown)
        if token.type == "inline"
    ]


@pytest.mark.parametrize("answer", INTACT, ids=ascii)
def test_an_answer_arrives_intact(template: Path, copie: Copie, answer: str) -> None:
    author = answer.replace(",", "")
    given = {"project_name": answer, "description": answer, "author_name": author}
    result = copie.copy(given, template_dir=template)
    assert result.exception is None
    project = result.project_dir
    assert project is not None

    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["description"] == answer
    assert metadata["authors"] == [{"name": author}]
    assert SLUG.fullmatch(metadata["name"])

    wiring = ast.parse((project / "src/app/wiring.py").read_text(encoding="utf-8"))
    constants = {node.value for node in ast.walk(wiring) if isinstance(node, ast.Constant)}
    assert answer in constants

    stored = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert given.items() <= stored.items()

    seen = shown((project / "README.md").read_text(encoding="utf-8"))
    assert seen[0] == answer
    assert answer in seen[1:]
    assert (
        f"Copyright (c) {author}" in (project / "LICENSE").read_text(encoding="utf-8").splitlines()
    )

    for path in [*project.rglob("*.yml"), *project.rglob("*.yaml")]:
        assert list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    # Which imports are the project's own is seen by files that are not here.
    for check in (["check", "--ignore=I001"], ["format", "--check"]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", "src/app/wiring.py"],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ruff.returncode == 0, ruff.stdout


@pytest.mark.parametrize("question", ["project_name", "description", "author_name"])
@pytest.mark.parametrize(("answer", "sentence"), REFUSED, ids=ascii)
def test_an_answer_is_refused(
    template: Path, copie: Copie, question: str, answer: str, sentence: str
) -> None:
    result = copie.copy({question: answer}, template_dir=template)
    assert isinstance(result.exception, ValueError)
    assert sentence in str(result.exception)
    assert list(copie.test_dir.rglob("*")) == [copie.test_dir / "copie000"]


@pytest.mark.parametrize(
    "address",
    ["ana", "ana@", "@example.org", "ana@example", "a b@example.org", "ana@example.org\n",
     'a"b@example.org', "a,b@example.org", "ana@exa_mple.org", "ana@" + "x" * 250 + ".org"],
)  # fmt: skip
def test_an_address_is_refused(template: Path, copie: Copie, address: str) -> None:
    result = copie.copy({"author_email": address}, template_dir=template)
    assert isinstance(result.exception, ValueError)
    assert list(copie.test_dir.rglob("*")) == [copie.test_dir / "copie000"]


@pytest.mark.parametrize("address", ["ana@example.org", "a.b+c{d}@mail.example.co.uk"])
def test_an_address_arrives_intact(template: Path, copie: Copie, address: str) -> None:
    project = copie.copy({"author_email": address}, template_dir=template).project_dir
    assert project is not None
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert metadata["authors"] == [{"name": "My Service contributors", "email": address}]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("Ünïcödé Łódź Straße", "unicode-lodz-strasse"),
        ("e\u0301te\u0301", "ete"),
        ("İstanbul", "istanbul"),
        ("3D Prints", "service-3d-prints"),
        ("我的服务", "service-eefb24"),
        ("FastAPI", "fastapi-service"),
        ("typing_extensions", "typing-extensions-service"),
        ("--a--b--", "a-b"),
        ("æ" * 40, "ae" * 20),
        ("x" * 40, "x" * 40),
    ],
)
def test_the_slug(template: Path, copie: Copie, name: str, slug: str) -> None:
    project = copie.copy({"project_name": name}, template_dir=template).project_dir
    assert project is not None
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == slug


@pytest.mark.parametrize(
    ("answer", "expression", "first_line"),
    [
        ("MIT", "MIT", "MIT License"),
        ("Apache-2.0", "Apache-2.0", "Apache License"),
        ("BSD-3-Clause", "BSD-3-Clause", "BSD 3-Clause License"),
        ("Proprietary", "LicenseRef-Proprietary", "Copyright (c) Ana. All rights reserved."),
    ],
)
def test_each_licence_is_one_text_and_one_expression(
    template: Path, copie: Copie, answer: str, expression: str, first_line: str
) -> None:
    given = {"license": answer, "author_name": "Ana"}
    project = copie.copy(given, template_dir=template).project_dir
    assert project is not None
    lines = (project / "LICENSE").read_text().splitlines()
    assert lines[0].strip() == first_line
    assert sum("License" in line and line == lines[0] for line in lines) <= 1
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert metadata["license"] == expression


def test_an_unknown_licence_is_refused(template: Path, copie: Copie) -> None:
    result = copie.copy({"license": "GPL-3.0"}, template_dir=template)
    assert "Invalid choice for 'license'" in str(result.exception)


def test_the_command_line_refuses_too(template: Path, tmp_path: Path) -> None:
    refused: subprocess.CompletedProcess[Any] = subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--defaults", "--data", "project_name=!!!",
         str(template), "project"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert refused.stderr.rstrip().endswith("'project_name': Use a letter or a digit")
    assert list(tmp_path.iterdir()) == []
