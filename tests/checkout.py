"""This repository as the tests see it: its files, and a snapshot that Copier can update from."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template"

SNAPSHOT_VERSION = "0.1.0"

LISTED = ("--cached", "--others", "--exclude-standard")

# The tests use no identity, signature, hook or alias of the user who runs them.
GIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` and return what it prints.

    Raises:
        subprocess.CalledProcessError: git failed; its output is on standard error.
    """
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | GIT_ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def tracked_files() -> list[Path]:
    """Return every file of the work tree that git has or would take, relative to the root."""
    listed = subprocess.run(
        # The checkout may belong to another user: CI's containers run as root.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", *LISTED],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return sorted(
        Path(name) for name in set(listed.split("\0")) if name and (ROOT / name).is_file()
    )


def template_files() -> list[Path]:
    """Return the files of `template/`, relative to it."""
    return [
        path.relative_to("template") for path in tracked_files() if path.is_relative_to("template")
    ]


def take_snapshot(folder: Path, *, of: Callable[[Path], bool] = lambda _: True) -> None:
    """Commit and tag the work tree as it stands in a new repository at `folder`.

    Copier can neither update a project that came from a dirty tree nor copy one without a warning.

    Args:
        folder: Where to; made here.
        of: Which files, by their path relative to the root.
    """
    folder.mkdir(parents=True)
    for path in filter(of, tracked_files()):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Snapshot", tag=SNAPSHOT_VERSION)
    # As what is cloned from elsewhere: Copier clones it for each copy, and removes the clone again.
    git(folder, "gc", "--quiet")


def is_rendered(path: Path) -> bool:
    """True if Copier reads the file, not the factory."""
    return path.is_relative_to("template") or path == Path("copier.yml")


def holds_answers(path: Path) -> bool:
    """True if answers are in the file: Copier copies all others as they are, which takes long."""
    return is_rendered(path) and (path.suffix == ".jinja" or path.name == "copier.yml")


def commit(folder: Path, message: str, *, tag: str | None = None) -> None:
    """Commit everything in the repository at `folder`, and tag it if told to."""
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    if tag is not None:
        git(folder, "tag", tag)
