"""A project of the last release with an edited line in each of forty files, updated to HEAD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT, commit, git
from tests.combinations import OLDEST_PYTHON
from tests.interpreters import find_interpreter
from tests.projects import Project, render
from tests.releases import releases
from tests.updating import command

pytestmark = pytest.mark.long

FILES = 40
# Lines that say something and do nothing: docstrings, comments, the sentences of a page.
SPOKEN = {
    ".py": re.compile(r'^ *(?:"""[A-Z].*\.(?="""$)|# [A-Z].*\.$)'),
    ".md": re.compile(r"^[A-Z][a-z]+ .*\.$"),
    ".yaml": re.compile(r"^ *# [A-Z].*\.$"),
    ".yml": re.compile(r"^ *# [A-Z].*\.$"),
    ".toml": re.compile(r"^ *# [A-Z].*\.$"),
    ".example": re.compile(r"^# [A-Z].*\.$"),
}
# Of an initial migration, the update leaves everything as it is; of answers, only answers.
NOT_THEIRS = ("migrations/versions/", ".copier-answers.yml")
LONGEST = 100
# The command's exit code where conflicts are left.
CONFLICTS = 3
MARKERS = re.compile(r"<<<<<<< [^\n]*\n.*?=======\n(.*?)>>>>>>> [^\n]*\n", re.DOTALL)


def spoken_lines(project: Path) -> Iterator[tuple[Path, int, str]]:
    """Yield files with the number of the line to edit, near the middle, and its edited form."""
    for path in git(project, "ls-files").splitlines():
        file = project / path
        if not (spoken := SPOKEN.get(file.suffix)) or path.startswith(NOT_THEIRS):
            continue
        lines = file.read_text(encoding="utf-8").splitlines()
        fitting = [
            (number, found.group())
            for number, line in enumerate(lines)
            if len(line) < LONGEST and (found := spoken.match(line))
        ]
        if fitting:
            number, before = fitting[len(fitting) // 2]
            yield file, number, lines[number].replace(before, f"{before} Ours: {path}.")


def edit(project: Path) -> dict[str, str]:
    """Edit a line in files of all parts of the project; return what each must keep."""
    found = list(spoken_lines(project))
    kept = {}
    for file, number, line in found[:: len(found) // FILES][:FILES]:
        lines = file.read_text(encoding="utf-8").splitlines()
        lines[number] = line
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")
        path = str(file.relative_to(project))
        kept[path] = f"Ours: {path}."
    return kept


def conflicts(project: Path) -> dict[str, str]:
    """Return the paths that are left to the user, with git's two letters for each."""
    lines = git(project, "status", "--porcelain", "--no-renames").splitlines()
    return {line[3:]: line[:2] for line in lines if "U" in line[:2] or line[:2] in {"AA", "DD"}}


def test_forty_edited_lines_of_the_last_release_are_kept(tmp_path: Path) -> None:
    template, folder, temporary = tmp_path / "template", tmp_path / "project", tmp_path / "t"
    temporary.mkdir()
    git(ROOT, "clone", "--quiet", "--no-local", ".", str(template))
    version, released = list(releases(template).items())[-1]
    if git(template, "rev-parse", f"{released}^{{commit}}") == git(template, "rev-parse", "HEAD"):
        version, released = list(releases(template).items())[-2]
    render(template, folder, version=released)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Rendered")
    kept = edit(folder)
    assert len(kept) == FILES
    commit(folder, "One line in each of forty files")
    interpreter = find_interpreter(OLDEST_PYTHON)
    assert interpreter
    project = Project(
        folder=folder,
        interpreter=interpreter,
        venv=folder / ".venv",
        temporary_folder=temporary,
    )
    project.run("uv", "sync").must_succeed()

    updated = command(folder, "update", "--to", "HEAD", seconds=300)

    print(updated.output)
    named = conflicts(folder)
    print(f"from {version}: {len(named)} conflicts: {named}")
    assert updated.code == (CONFLICTS if named else 0), updated
    everything = "".join(
        (folder / path).read_text(encoding="utf-8")
        for path in git(folder, "ls-files", "--cached", "--others", "--exclude-standard").split()
        if (folder / path).is_file()
    )
    assert [path for path, line in kept.items() if line not in everything] == []

    for path, state in named.items():
        file = folder / path
        if state in {"UD", "UA"}:
            file.unlink()
        elif file.is_file():
            text = file.read_text(encoding="utf-8")
            file.write_text(MARKERS.sub(r"\1", text), encoding="utf-8")
    commit(folder, "Updated")
    project.run("uv", "sync").must_succeed()
    project.tool("app", "db", "revision", "-m", "update").must_succeed()
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest -q -n auto"):
        project.tool(*check.split(), timeout=900).must_succeed()
