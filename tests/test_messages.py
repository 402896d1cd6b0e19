"""The messages after `copier copy` and `copier update`: the next steps, for the chosen services."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.combinations import BARE, FULL, Combination, Depth
from tests.projects import Run, keep_in_git, render

SERVICES = {
    "REDIS": "redis",
    "SENTRY": "sentry",
    "STRIPE": "stripe",
    "TIMESCALE": "timescaledb",
}
CHOICES = [
    BARE,
    FULL,
    *(
        Combination(on=frozenset({label}), depth=Depth.RENDERED, interpreters=())
        for label in SERVICES.values()
    ),
]


@pytest.fixture(scope="module")
def template(run: Run) -> Path:
    """The files that answers are in."""
    return run.answered()


def copier(*arguments: str, cwd: Path) -> str:
    """Run Copier as a person does, and return what they see."""
    ended = subprocess.run(
        [sys.executable, "-m", "copier", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def data(combination: Combination) -> list[str]:
    """Return the answers as options of the command line."""
    answers = combination.answers.items()
    return [word for name, value in answers for word in ("--data", f"{name}={value}")]


def named(message: str) -> set[str]:
    """Return the services whose settings a message names."""
    found = set(re.findall(r"([A-Z]+)_[A-Z_]+", message))
    return {SERVICES[name] for name in found if name in SERVICES}


def must_read_well(message: str) -> None:
    """Check what is easily wrong in a text with conditions in it."""
    assert "{" not in message
    assert "\n\n\n" not in message
    assert max(map(len, message.splitlines())) <= 120


@pytest.mark.parametrize("chosen", CHOICES, ids=lambda each: each.id)
def test_after_a_copy(template: Path, tmp_path: Path, chosen: Combination) -> None:
    seen = copier(
        "copy",
        "--defaults",
        *data(chosen),
        "--data",
        "project_name=Shop",
        str(template),
        "a shop",
        cwd=tmp_path,
    )
    message = seen[seen.index("Shop is ready. Next:") :].rstrip()
    assert "\n  cd 'a shop'\n" in message
    assert "\n  uv run app dev " in message
    assert named(message) == chosen.on & {*SERVICES.values()}
    must_read_well(message)


@pytest.mark.parametrize("chosen", [BARE, FULL], ids=lambda each: each.id)
def test_after_an_update(template: Path, tmp_path: Path, chosen: Combination) -> None:
    project = tmp_path / "project"
    render(template, project, {"use_redis": True, "use_sentry": True})
    keep_in_git(project)
    seen = copier("update", "--defaults", *data(chosen), cwd=project)
    message = seen[seen.index("My Service is updated. Next:") :].rstrip()
    steps = ("git diff", "uv sync", "uv run app doctor", "uv run app db upgrade", "uv run pytest")
    assert [step for step in steps if f"\n  {step}" not in message] == []
    assert named(message) == chosen.on & {*SERVICES.values()}
    must_read_well(message)
