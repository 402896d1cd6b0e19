"""An update takes at most half of Copier's time, and says something within a second.

Both are measured in processor time, in turns, so that a busy machine slows neither down more.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checkout import commit, git, is_rendered, take_snapshot
from tests.edits import next_version
from tests.projects import render

pytestmark = pytest.mark.long

ROUNDS = 3
AT_MOST = 0.5
FIRST_WORD_SECONDS = 1.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the template as it stands, whose next version is out."""
    folder = tmp_path_factory.mktemp("time")
    template, project = folder / "template", folder / "project"
    take_snapshot(template, of=is_rendered)
    render(template, project, version="0.1.0")
    next_version(template)
    commit(template, "The next version", tag="0.2.0")
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project, "Rendered")
    return project


def processor_seconds(project: Path, *command: str) -> float:
    """Run a command on a copy; return the processor's seconds that it and its children took."""
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(copy)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_an_update_takes_at_most_half_of_copier_s_time(project: Path) -> None:
    copier = Path(sys.executable).with_name("copier")
    commands = {
        "ashlar": (sys.executable, "-m", "ashlar", "update"),
        "copier": (str(copier), "update", "--quiet", "--defaults"),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            taken[name].append(processor_seconds(project, *command))
    print({name: [round(seconds, 2) for seconds in each] for name, each in taken.items()})
    assert min(taken["ashlar"]) <= AT_MOST * min(taken["copier"])


def test_an_update_says_something_within_a_second(project: Path) -> None:
    waited = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "ashlar", "update", "--dry-run"],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr
            assert running.stderr.readline() == "Looking at the project …\n"
            waited.append(time.monotonic() - began)
            running.kill()
    assert min(waited) < FIRST_WORD_SECONDS
