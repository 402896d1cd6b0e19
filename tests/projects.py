"""Rendered projects: each combination is rendered once per run and shared by all processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import copier
from filelock import FileLock

from tests.checkout import commit, git, holds_answers, is_rendered, take_snapshot
from tests.combinations import OLDEST_PYTHON, Combination
from tests.interpreters import find_interpreter

# What this process was started with must not reach the tools of a rendered project.
_FOREIGN = (
    "VIRTUAL_ENV",
    "PYTHON",
    "UV_PROJECT",
    "UV_PYTHON",
    "PYTEST_",
    "NOX_",
    "COV_",
    "ASHLAR_",
)

# How many processes `pytest -n auto` has, where two runs share a machine.
PROCESSES = "PYTEST_XDIST_AUTO_NUM_WORKERS"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that has ended: what it was, how it ended, and both its outputs together."""

    command: str
    code: int
    output: str

    def __str__(self) -> str:
        return f"`{self.command}` ended with {self.code}:\n{self.output}"

    def must_succeed(self) -> None:
        """Raise an AssertionError with the whole output unless the command ended with 0."""
        if self.code:
            raise AssertionError(str(self))


@dataclass(frozen=True, kw_only=True)
class Project:
    """A rendered project in a git repository.

    Attributes:
        folder: Where it is.
        interpreter: The Python it runs on.
        venv: Its virtual environment, outside of the folder.
        temporary_folder: What its tools use for temporary files.
    """

    folder: Path
    interpreter: Path
    venv: Path
    temporary_folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment its tools run in: the caller's, without what belongs to the caller."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        if processes := os.environ.get(PROCESSES):
            kept[PROCESSES] = processes
        return kept | {
            "UV_PYTHON": str(self.interpreter),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PROJECT_ENVIRONMENT": str(self.venv),
            "TMPDIR": str(self.temporary_folder),
        }

    def run(self, *command: str, timeout: float = 300, **environment: str) -> Finished:
        """Run `command` in the project's folder.

        Args:
            command: The program and its arguments.
            timeout: Seconds until it is killed.
            environment: Variables on top of the project's environment.

        Raises:
            subprocess.TimeoutExpired: It was killed.
        """
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(command=" ".join(command), code=ended.returncode, output=ended.stdout)

    def tool(self, *command: str, timeout: float = 300, **environment: str) -> Finished:
        """Run one of the tools of the project's virtual environment."""
        return self.run("uv", "run", "--no-sync", *command, timeout=timeout, **environment)


@dataclass(frozen=True)
class Run:
    """A run's folder, in which its processes share what has been made once.

    Whatever is complete has a file with the suffix `.done` beside it.
    """

    folder: Path

    def template(self) -> Path:
        """Return the snapshot of this repository."""
        target = self.folder / "template"
        with self._once(target) as missing:
            if missing:
                take_snapshot(target, of=is_rendered)
        return target

    def answered(self) -> Path:
        """Return a snapshot of the files that answers are in, for tests of answers and messages."""
        target = self.folder / "answered"
        with self._once(target) as missing:
            if missing:
                take_snapshot(target, of=holds_answers)
        return target

    def rendered(self, combination: Combination) -> Path:
        """Return a rendered project, which no test may change."""
        template = self.template()
        target = self.folder / "rendered" / combination.id
        with self._once(target) as missing:
            if missing:
                render(template, target, combination.answers)
        return target

    def project(self, combination: Combination, version: str = OLDEST_PYTHON) -> Project:
        """Return a copy of the rendered project with its dependencies installed, and no others.

        All projects on one Python take turns in one folder and one virtual environment, so that
        what they share is compiled and analysed once. Who uses two at the same time loses one.

        Args:
            combination: Which one.
            version: The version of Python, such as "3.12".

        Raises:
            LookupError: This machine has no Python of that version.
            AssertionError: Its dependencies could not be installed; the message has uv's output.
        """
        rendered = self.rendered(combination)
        interpreter = find_interpreter(version)
        if interpreter is None:
            raise LookupError(f"no Python {version} here: install it where uv or pyenv finds it")
        target = self.folder / "projects" / version
        project = Project(
            folder=target,
            interpreter=interpreter,
            venv=self.folder / "venvs" / version,
            # Sockets of PostgreSQL go there, and a path to a socket may not be long.
            temporary_folder=self.folder / "t" / version,
        )
        owner = target.with_name(f"{version}.owner")
        with self._locked(owner):
            if not owner.exists() or owner.read_text() != combination.id:
                owner.unlink(missing_ok=True)
                project.temporary_folder.mkdir(parents=True, exist_ok=True)
                project.temporary_folder.chmod(0o1777)
                replace_files(target, rendered)
                git(target, "init", "--quiet", "--initial-branch=main")
                project.run("uv", "sync").must_succeed()
                project.tool("python", "-m", "compileall", "-q", "src").must_succeed()
                git(target, "add", "--all")
                git(target, "commit", "--quiet", "--allow-empty", "--message=Rendered")
                owner.write_text(combination.id)
        return project

    @contextmanager
    def _locked(self, target: Path) -> Iterator[None]:
        """Hold the lock of `target`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock")):
            yield

    @contextmanager
    def _once(self, target: Path) -> Iterator[bool]:
        """Hold the lock of `target` and say whether it has still to be made."""
        mark = target.with_name(target.name + ".done")
        with self._locked(target):
            missing = not mark.exists()
            if missing:
                shutil.rmtree(target, ignore_errors=True)
            yield missing
            mark.touch()


def replace_files(target: Path, source: Path) -> None:
    """Make a folder hold the files of another, and nothing else but what is made of them.

    Files that are equal stay as they are: caches go by their times.
    """
    made = {".git", ".ruff_cache", ".import_linter_cache", "__pycache__"}
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(target.rglob("*")):
        relative = path.relative_to(target)
        if made.isdisjoint(relative.parts) and path.exists() and not (source / relative).exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        elif not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copy(path, copy)


def render(
    template: Path,
    target: Path,
    answers: Mapping[str, Any] | None = None,
    *,
    version: str | None = None,
) -> None:
    """Render `template` to `target`, with Copier's own defaults for what `answers` leaves out.

    Args:
        template: A repository.
        target: A folder that is not there yet.
        answers: Those that differ from the defaults.
        version: A tag of the repository, the latest unless given.
    """
    data = dict(answers or {})
    copier.run_copy(str(template), target, data=data, defaults=True, quiet=True, vcs_ref=version)


def update_project(
    project: Path, answers: Mapping[str, Any], *, version: str | None = None
) -> None:
    """Update as `copier update --defaults --data … --vcs-ref …` does."""
    copier.run_update(
        project, data=dict(answers), defaults=True, overwrite=True, quiet=True, vcs_ref=version
    )


def keep_in_git(project: Path) -> None:
    """Commit a project as its user would before an update."""
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project, "As it is")


def tree(folder: Path, *, without: tuple[str, ...] = (".git",)) -> dict[str, bytes]:
    """Return the contents of all files under `folder` by their relative paths.

    Args:
        folder: Where to look.
        without: First parts of paths to leave out.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in without
    }
