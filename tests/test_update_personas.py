"""Twelve people who did something to their project, and what an update makes of it.

No edit is lost, and nothing conflicts, as no two change the same lines. What
`copier update` does in the same place is printed beside it; no promise is made of that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ashlar.journal import Journal
from tests.checkout import git, is_rendered, take_snapshot
from tests.edits import add_a_resource, next_version, remove_a_route, replace
from tests.projects import render, update_project
from tests.updating import (
    command,
    make_project,
    publish,
    rendering_here,
    renders_at_hand,
    run_update,
)

pytestmark = pytest.mark.long

RUFF = Path(sys.executable).with_name("ruff")
NEXT = "0.2.0"
RELEASES = 20
MODULE = "src/app/core/health.py"
PACKAGE = "src/app/core/security"
PART = "passwords.py"


@dataclass(frozen=True)
class Houses:
    """The starting point of all personas, made once.

    Attributes:
        template: A repository with the versions.
        renders: A fresh copy of each version, by its name.
    """

    template: Path
    renders: dict[str, Path]


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Houses:
    """The template as it stands as 0.1.0, a next version, and twenty more."""
    folder = tmp_path_factory.mktemp("houses")
    template = folder / "template"
    take_snapshot(template, of=is_rendered)
    source = template / "template"
    next_version(template)
    for path in ("src/app/services/items.py", f"{PACKAGE}/{PART}"):
        text = (source / path).read_text(encoding="utf-8")
        (source / path).write_text(text.replace('"""', '"""The house: ', 1), encoding="utf-8")
    (source / PACKAGE / "limits.py").write_text('"""Limits."""\n\nMOST = 1\n')
    publish(template, NEXT)
    for number in range(RELEASES):
        if number == RELEASES // 2:
            git(template, "mv", f"template/{MODULE}", "template/src/app/core/checks.py")
        text = (source / PACKAGE / "limits.py").read_text()
        (source / PACKAGE / "limits.py").write_text(f"{text}MOST_{number} = {number}\n")
        publish(template, f"0.2.{number + 1}")
    renders = {}
    for version in ("0.1.0", NEXT, f"0.2.{RELEASES}"):
        renders[version] = folder / version
        render(template, renders[version], version=version)
    return Houses(template, renders)


def deleted_example(project: Path) -> Path:
    for path in git(project, "ls-files").split():
        if re.search(r"\bitems?(_audit)?\b", path) or "test_items" in path:
            (project / path).unlink()
    return project


def renamed_package(project: Path) -> Path:
    git(project, "mv", PACKAGE, "src/app/core/store")
    for path in git(project, "ls-files", "*.py").split():
        text = (project / path).read_text(encoding="utf-8")
        (project / path).write_text(text.replace("app.core.security ", "app.core.store "))
    return project


def monorepo(project: Path) -> Path:
    house = project.with_name("house")
    house.mkdir()
    project.rename(house / "backend")
    (house / "backend/.git").rename(house / ".git")
    (house / "frontend.txt").write_text("another part\n")
    return house / "backend"


def narrow(project: Path) -> Path:
    replace(project, "pyproject.toml", "line-length = 120", "line-length = 88")
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/ruff").symlink_to(RUFF)
    subprocess.run([RUFF, "format", "--quiet"], cwd=project, check=True)
    return project


def squashed(project: Path) -> Path:
    folder = project / "migrations/versions"
    (folder / "0001_initial.py").rename(folder / "0001_squashed.py")
    return project


def crlf(project: Path) -> Path:
    for path in git(project, "ls-files").split():
        content = (project / path).read_bytes()
        (project / path).write_bytes(content.replace(b"\n", b"\r\n"))
    return project


def own_lines(project: Path) -> Path:
    add_a_resource(project)
    return project


def removed_parts(project: Path) -> Path:
    remove_a_route(project)
    shutil.rmtree(project / "deploy")
    (project / "compose.yaml").unlink()
    return project


def moved_template(project: Path) -> Path:
    answers = project / ".copier-answers.yml"
    (source,) = re.findall(r"^_src_path: (.*)$", answers.read_text(), re.MULTILINE)
    moved = project.with_name("moved")
    git(project, "clone", "--quiet", source, str(moved))
    answers.write_text(answers.read_text().replace(source, str(moved)))
    return project


def worktree(project: Path) -> Path:
    other = project.with_name("other")
    git(project, "worktree", "add", "--quiet", "-b", "other", str(other))
    return other


def as_it_is(project: Path) -> Path:
    return project


PERSONAS: dict[str, Callable[[Path], Path]] = {
    "deleted example": deleted_example,
    "renamed package": renamed_package,
    "monorepo folder": monorepo,
    "88 columns": narrow,
    "squashed migrations": squashed,
    "CRLF": crlf,
    "own lines in every list": own_lines,
    "removed parts": removed_parts,
    "moved template": moved_template,
    "worktree": worktree,
    "interrupted": as_it_is,
    "twenty versions behind": as_it_is,
}


def add_lines(project: Path) -> None:
    """Add a line at the end of some files, most of which the next version changes elsewhere."""
    for path in (
        "README.md", "src/app/main.py", "src/app/services/items.py", MODULE, "CONTRIBUTING.md",
        f"{PACKAGE}/{PART}", f"src/app/core/store/{PART}", "src/app/wiring.py",
    ):  # fmt: skip
        file = project / path
        if file.exists():
            content = file.read_bytes()
            end = b"\r\n" if b"\r\n" in content else b"\n"
            file.write_bytes(content + end * 2 + f"# Ours, in {path}.".encode() + end)
    (project / "ours.py").write_text('"""Ours."""\n\nOURS = 1\n')


def lines(folder: Path) -> Counter[str]:
    """Return how often each line is in the files that git has, or would take."""
    found: Counter[str] = Counter()
    for path in git(folder, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (folder / path).is_file() and not (folder / path).is_symlink():
            found.update(
                line.strip() for line in (folder / path).read_text(errors="replace").splitlines()
            )
    return found


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The rows, which are printed at the end."""
    rows: list[str] = []
    yield rows
    head = "| ashlar / copier | changes missing | lines lost | conflicts |"
    print("", head, "|---|---|---|---|", *rows, sep="\n")


@pytest.mark.parametrize("persona", PERSONAS)
def test_update_loses_nothing_of_anybody_s(
    houses: Houses, tmp_path: Path, table: list[str], persona: str
) -> None:
    target = f"0.2.{RELEASES}" if persona == "twenty versions behind" else NEXT
    found = {}
    for tool in (by_ashlar, by_copier):
        place = tmp_path / tool.__name__
        place.mkdir()
        project = make_project(houses.template, place / "project", version="0.1.0")
        project = PERSONAS[persona](project)
        git(project, "add", "--all", "--", ".")
        git(project, "commit", "--quiet", "--allow-empty", f"--message={persona}")
        before = lines(project)
        add_lines(project)
        git(project, "add", "--all", "--", ".")
        git(project, "commit", "--quiet", "--message=Ours")
        mine = lines(project) - before
        tool(houses, project, target, persona)
        conflicts = git(project, "diff", "--name-only", "--diff-filter=U").split()
        lost = sum((mine - lines(project)).values())
        found[tool] = (lost, len(conflicts), *missing(project, target))
    shown = [(len(each[2:]), *each[:2]) for each in (found[by_ashlar], found[by_copier])]
    cells = (f"{ours} / {theirs}" for ours, theirs in zip(*shown, strict=True))
    table.append(f"| {persona} | {' | '.join(cells)} |")
    assert found[by_ashlar] == (0, 0)


def missing(project: Path, target: str) -> list[str]:
    """Return what has not arrived of what the new version brings."""
    core = project / "src/app/core"
    (part,) = core.glob(f"*/{PART}")
    arrived = {
        "the version": f"_commit: {target}" in (project / ".copier-answers.yml").read_text(),
        "a heading": "# Its settings" in (project / "README.md").read_text(),
        "a module": (core / "clock.py").exists(),
        "a module of a package": (part.parent / "limits.py").exists(),
        "a change in a package": "The house: " in part.read_text(),
    }
    return [name for name, is_there in arrived.items() if not is_there]


def by_ashlar(houses: Houses, project: Path, target: str, persona: str) -> None:
    """Update; where it is interrupted, the next command finishes."""
    if persona == "moved template":
        with rendering_here():
            run_update(project, to=target)
        return
    with renders_at_hand(houses.renders["0.1.0"], houses.renders[target]):
        if persona == "interrupted":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("ashlar.update.finish", lambda *_: "")
                run_update(project, to=target)
            steps = Journal(project / ".git/ashlar", project).steps()
            for _ in zip(range(9), steps, strict=False):
                pass
            assert command(project, "update").code == 0
            return
        run_update(project, to=target)


def by_copier(houses: Houses, project: Path, target: str, persona: str) -> None:
    """Update by Copier; where it is interrupted, as soon as it says that it is done."""
    del houses
    if persona != "interrupted":
        update_project(project, {}, version=target)
        return
    copier = Path(sys.executable).with_name("copier")
    running = subprocess.Popen(
        [copier, "update", "--quiet", "--defaults", "--vcs-ref", target],
        cwd=project,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    answers = project / ".copier-answers.yml"
    while running.poll() is None and f"_commit: {target}" not in answers.read_text():
        time.sleep(0.01)
    running.kill()
    running.wait()
