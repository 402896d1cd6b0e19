"""CONTRIBUTING.md names what is there, and its examples keep the linter's rules."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

from app.api.errors import status_of
from app.core import exceptions
from tests.guide import BLOCKS, EXAMPLES, PROJECT, TEXT

# An example is shorter than a module: no docstring of its own, one blank line where modules have two or a group ends.
_LEFT_OUT = "--extend-ignore=D100,I001"


def test_every_example_says_where_it_belongs() -> None:
    assert "".join(BLOCKS) == "".join(f"# {path}\n{source}" for path, source in EXAMPLES.items())
    assert len(EXAMPLES) >= 9


def test_the_examples_keep_the_rules_of_the_linter(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes((PROJECT / "pyproject.toml").read_bytes())
    for path, source in EXAMPLES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet", _LEFT_OUT, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_statuses_are_those_that_errors_are_answered_with() -> None:
    said: dict[str, int] = {}
    waiting: list[str] = []
    for name, status in re.findall(r"`([A-Z]\w+Error)`|(?<= )(\d{3})(?=[,.])", TEXT[TEXT.index("## Errors") :]):
        if name:
            waiting.append(name)
            continue
        said.update(dict.fromkeys(waiting, int(status)))
        waiting.clear()
    assert len(said) >= 10
    for name, status in said.items():
        kind = getattr(exceptions, name)
        # The status is the class's, whatever its arguments are.
        assert status_of(kind.__new__(kind)) == status, name


def test_what_is_named_is_there() -> None:
    text = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    for path in re.findall(r"`((?:src|tests)/[\w/.]+)`", text):
        assert (PROJECT / path).exists(), path
    for name in re.findall(r"`(app(?:\.\w+)+)`", text):
        importlib.import_module(name)
    for method in re.findall(r"\buow\.(\w+)\(", text):
        assert hasattr(importlib.import_module("app.core.uow").UnitOfWork, method), method
