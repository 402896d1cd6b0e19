"""A project before an update that is interrupted, and what must be there afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ashlar.journal import Journal
from ashlar.project import Project
from tests.checkout import commit, git
from tests.updating import (
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

States = tuple[dict[str, str], dict[str, str]]


def make_house(folder: Path) -> Path:
    """Make a project with edits; its template has changed, moved, added and deleted files since."""
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


def state(project: Path) -> dict[str, str]:
    """Return what is in the work tree and in the index, and what `git status` says."""
    files = {
        str(path.relative_to(project)): path.read_text()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
    return files | status(project) | {"index": git(project, "ls-files", "--stage")}


def states_of(made: Path, folder: Path) -> States:
    """Return the project before and after an update that nothing interrupts."""
    updated = folder / "project"
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
