"""`ashlar update`, interrupted: finished or undone by the next command, and no edit is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ashlar.applying import finish
from ashlar.errors import RefusedError
from ashlar.journal import Journal
from ashlar.project import Project
from tests.checkout import commit, git
from tests.interruptions import (
    MAIN,
    THREADS,
    States,
    begun,
    make_house,
    state,
    states_of,
    steps_of,
)
from tests.updating import rendering_here, run_update, status, write


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


def test_an_update_killed_after_any_step_is_finished_by_the_next_command(
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = project.with_name("ready")
    begun(project, monkeypatch)
    project.rename(ready)
    total = 0
    while True:
        shutil.copytree(ready, project, symlinks=True)
        journal = Journal(project / ".git/ashlar", project)
        done = steps_of(journal, total)
        with pytest.raises(RefusedError, match="was interrupted, and stands half-way"):
            run_update(project, dry_run=True)
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
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
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
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
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
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
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
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
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
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
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
    project: Path, states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(project, monkeypatch)
    write(project, {"new": "in the way\n"})
    with pytest.raises(RefusedError, match="was undone: "):
        finish(Project.open(project), journal)
    (project / "new").unlink()
    assert state(project) == states[0]
    assert not journal.is_open
