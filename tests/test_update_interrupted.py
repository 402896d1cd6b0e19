"""`ashlar update`, interrupted: finished or undone by the next command, and no edit is lost."""

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

from ashlar.applying import finish
from ashlar.errors import RefusedError
from ashlar.journal import Journal
from ashlar.project import Project
from tests.checkout import commit, git
from tests.updating import (
    command,
    make_project,
    make_template,
    publish,
    rendering_here,
    replace,
    run_update,
    status,
    write,
)

MAIN, THREADS = "src/app/main.py", "src/app/core/threads.py"
KILLS = 100


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with edits, whose template has changed, moved, added and deleted files since."""
    folder = tmp_path_factory.mktemp("made")
    template = make_template(folder / "template")
    project = make_project(template, folder / "project")
    for path in (MAIN, THREADS):
        name = Path(path).stem
        replace(project, path, f'return "{name}_a"', 'return "mine"')
        replace(template / "template", path, f'return "{name}_f"', 'return "theirs"')
    replace(project, THREADS, 'return "threads_c"', 'return "mine"')
    replace(template / "template", THREADS, 'return "threads_c"', 'return "theirs"')
    commit(project, "Mine")
    git(template, "mv", f"template/{MAIN}", "template/src/app/start.py")
    # A file becomes a folder, and a folder a file.
    write(template / "template", {"src/app/core/cache/keys.py": None})
    write(template / "template", {"src/app/core/cache/keys.py/a.txt": "a\n", "new/new.py": "b\n"})
    publish(template, "1.1.0")
    return project


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with rendering_here():
        yield


def state(project: Path) -> dict[str, str]:
    """Return what is in the work tree and in the index, and what `git status` says."""
    files = {
        str(path.relative_to(project)): path.read_text()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
    return files | status(project) | {"index": git(project, "ls-files", "--stage")}


@pytest.fixture(scope="module")
def states(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], ...]:
    """The project before and after the update that nothing interrupts."""
    updated = tmp_path_factory.mktemp("updated") / "project"
    shutil.copytree(made, updated, symlinks=True)
    with rendering_here():
        run_update(updated)
    return state(made), state(updated)


def begun(project: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Begin an update, up to where the first file would change."""
    with monkeypatch.context() as patch:
        patch.setattr("ashlar.update.finish", lambda *_: "")
        run_update(project)
    found = Project.open(project)
    return Journal(found.state, found.top)


def steps_of(journal: Journal, wanted: int) -> int:
    """Do some steps, as a process that is killed after them; return how many there were."""
    done = 0
    for _ in journal.steps():
        done += 1
        if done == wanted:
            break
    return done


def test_an_update_killed_after_any_step_is_finished_by_the_next_command(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = project.with_name("ready")
    begun(project, monkeypatch)
    project.rename(ready)
    total = 0
    while True:
        shutil.copytree(ready, project, symlinks=True)
        journal = Journal(project / ".git/ashlar", project)
        done = steps_of(journal, total)
        outcome = run_update(project)
        assert "had been interrupted, and is finished now" in outcome.said
        assert state(project) == states[1], f"after {total} steps"
        assert not journal.is_open
        shutil.rmtree(project)
        if done < total:
            break
        total += 1
    assert total >= 10


def test_an_update_killed_after_any_step_can_be_undone(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = project.with_name("ready")
    begun(project, monkeypatch)
    project.rename(ready)
    for total in range(100):
        shutil.copytree(ready, project, symlinks=True)
        journal = Journal(project / ".git/ashlar", project)
        done = steps_of(journal, total)
        assert journal.undo() == []
        journal.close()
        assert state(project) == states[0], f"after {total} steps"
        shutil.rmtree(project)
        if done < total:
            break


@pytest.mark.parametrize("path", [MAIN, THREADS, "src/app/start.py", "new/new.py"])
@pytest.mark.parametrize("total", range(1, 10, 2))
def test_an_edit_after_an_interruption_is_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch, path: str, total: int
) -> None:
    journal = begun(project, monkeypatch)
    steps_of(journal, total)
    write(project, {path: "edited after the interruption\n"})

    try:
        said = run_update(project).said
    except RefusedError as refused:
        said = str(refused)

    assert (project / path).read_text() == "edited after the interruption\n"
    assert not journal.is_open
    if "was undone" in said:
        assert f"{path} left as it is" in said
        assert {other for other in status(project) if not path.startswith(other)} == set()
    else:
        assert "is finished now" in said


def test_a_reset_after_an_interruption_is_respected(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for total in range(1, 10):
        journal = begun(project, monkeypatch)
        steps_of(journal, total)
        git(project, "reset", "--quiet", "--hard")
        git(project, "clean", "--quiet", "-d", "--force")
        try:
            run_update(project)
        except RefusedError as refused:
            assert "was undone" in str(refused)  # noqa: PT017 — which of both depends on the step
            assert state(project) == states[0]
        else:
            assert state(project) == states[1]
        assert not journal.is_open
        git(project, "reset", "--quiet", "--hard")


def test_a_commit_after_an_interruption_stays(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(project, monkeypatch)
    steps_of(journal, 5)
    commit(project, "Half of it")

    assert "is finished now" in run_update(project).said

    assert not journal.is_open
    assert git(project, "ls-files", "--stage") == states[1]["index"]
    assert state(project).keys() <= states[1].keys()
    text = (project / "src/app/start.py").read_text()
    assert ('return "mine"' in text, 'return "theirs"' in text) == (True, True)


def test_an_index_of_another_git_is_waited_for(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = project / ".git/index.lock"
    begun(project, monkeypatch)
    lock.write_text("another's")
    monkeypatch.setattr("ashlar.staging._WAIT_SECONDS", 0.1)
    with pytest.raises(RefusedError, match="another git is at work, or was killed"):
        run_update(project)
    assert lock.read_text() == "another's"
    lock.unlink()
    run_update(project)
    assert state(project) == states[1]


def test_an_own_lock_of_the_index_is_none(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(project, monkeypatch)
    steps_of(journal, 100)
    draft = journal.folder / "index"
    shutil.copyfile(project / ".git/index", draft)
    (project / ".git/index.lock").hardlink_to(draft)
    run_update(project)
    assert state(project) == states[1]


def test_both_states_are_kept(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    run_update(project)
    assert git(project, "rev-parse", "refs/ashlar/before") == head
    assert git(project, "rev-parse", "refs/ashlar/after^") == head
    assert "src/app/start.py" in git(project, "ls-tree", "-r", "--name-only", "refs/ashlar/after")
    assert git(project, "for-each-ref", "refs/ashlar").count("\n") == 2


def test_an_update_that_may_not_write_is_undone(
    project: Path, states: tuple[dict[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(project, monkeypatch)
    write(project, {"new": "in the way\n"})
    with pytest.raises(RefusedError, match="was undone: "):
        finish(Project.open(project), journal)
    (project / "new").unlink()
    assert state(project) == states[0]
    assert not journal.is_open


def small_disk(folder: Path) -> bool:
    """Mount a file system of 700 KiB, if this user may; return whether it is there."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("free", [4, 16, 40, 80, 160])
def test_an_update_on_a_full_disk_loses_nothing(
    project: Path, states: tuple[dict[str, str], ...], tmp_path: Path, free: int
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


def test_ctrl_c_ends_in_a_sentence(project: Path, states: tuple[dict[str, str], ...]) -> None:
    with started(project) as running:
        assert running.stdout
        while "Rendering" not in running.stdout.readline():
            pass
        os.killpg(running.pid, signal.SIGINT)
        said = running.stdout.read()
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
    made: Path, states: tuple[dict[str, str], ...], tmp_path: Path
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
