"""`ashlar update`, killed at any moment or on a full disk: no edit is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ashlar.cli import CONFLICTS_LEFT
from tests.checkout import git
from tests.interruptions import (
    States,
    make_house,
    state,
    states_of,
)
from tests.updating import command, rendering_here

KILLS = 100


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is to be updated."""
    return make_house(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def states(made: Path, tmp_path_factory: pytest.TempPathFactory) -> States:
    """The project before and after the update that nothing interrupts."""
    return states_of(made, tmp_path_factory.mktemp("updated"))


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with rendering_here():
        yield


def small_disk(folder: Path) -> bool:
    """Mount a file system of 700 KiB, if this user may; return whether it is there."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("free", [4, 16, 40, 80, 160])
def test_an_update_on_a_full_disk_loses_nothing(
    project: Path, states: States, tmp_path: Path, free: int
) -> None:
    disk = tmp_path / "disk"
    if not small_disk(disk):
        pytest.skip("this user may mount no file system")
    try:
        full = disk / "project"
        shutil.copytree(project, full, symlinks=True)
        left = os.statvfs(disk)
        (disk / "ballast").write_bytes(b"x" * (left.f_bavail * left.f_bsize - free * 1024))
        finished = command(full, "update")
        assert finished.code in (1, 3), finished
        assert "Traceback" not in finished.output
        (disk / "ballast").unlink()
        if finished.code == 1:
            assert "next: " in finished.output, finished
            assert state(full) in states
            assert command(full, "update").code == 3
        assert state(full) == states[1]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_ctrl_c_ends_in_a_sentence(project: Path, states: States) -> None:
    for _ in range(10):
        with started(project) as running:
            assert running.stdout
            while "Rendering" not in running.stdout.readline():
                pass
            os.killpg(running.pid, signal.SIGINT)
            said = running.stdout.read()
        if running.returncode != CONFLICTS_LEFT:
            break
        # On a busy machine it had come to its end before.
        git(project, "reset", "--quiet", "--hard")
    assert running.returncode == 1
    end = "error: Interrupted.\nnext: Run it again: it finishes or undoes what was begun.\n"
    assert said.endswith(end)
    assert state(project) == states[0]


def started(project: Path) -> subprocess.Popen[str]:
    """Start an update in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ashlar", "update"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.long
def test_an_update_killed_at_random_moments_loses_nothing(
    made: Path, states: States, tmp_path: Path
) -> None:
    """Killed with its children; half of the moments are those in which files change."""
    chance = random.Random(11)  # noqa: S311 — nothing is secret here
    half_way = 0
    for number in range(KILLS):
        project = tmp_path / str(number)
        shutil.copytree(made, project, symlinks=True)
        with started(project) as running:
            assert running.stdout
            if number % 2:
                while "Writing" not in running.stdout.readline():
                    pass
            time.sleep(chance.uniform(0, 0.15 if number % 2 else 3))
            os.killpg(running.pid, signal.SIGKILL)
        half_way += (project / ".git/ashlar/journal.json").exists()
        was_done = state(project) == states[1]
        finished = command(project, "update")
        assert was_done == ("Not committed" in finished.output), finished
        if not (project / ".git/ashlar/journal.json").exists():
            assert state(project) == states[1], finished
        shutil.rmtree(project)
    assert half_way > KILLS // 20
