"""Making a release: `uvx nox -s release -- 0.2.0`.

A rendered path is public: users who edited the file lose the edits when it vanishes or moves, as
Copier deletes it in silence. So a release is refused until its entry in the changelog names every
path, and every question, that the release before still had.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import subprocess
import sys
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

from tests.checkout import ROOT

UNRELEASED = "## Unreleased"
PROMISE = "### What an update will do"
TEMPLATE = "template/"


class ReleaseRefusedError(Exception):
    """Why there is no release, and what to do about it."""


def git(root: Path, *arguments: str) -> str:
    """Run git in `root`, as the user who makes the release, and return its output."""
    command = ["git", "-c", "safe.directory=*", *arguments]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return ran.stdout


def releases(root: Path) -> dict[str, str]:
    """Return the commits of the released versions, the oldest first.

    A release is a tag; where a clone came without tags, it is the commit that made it.
    """
    subjects = git(root, "log", "--format=%H %s", "--grep=^Release ").splitlines()
    commits = {line.split()[-1]: line.split()[0] for line in subjects}
    commits |= {tag: tag for tag in git(root, "tag", "--list", "--merged").split()}
    found = []
    for name, commit in commits.items():
        with contextlib.suppress(InvalidVersion):
            found.append((Version(name), name, commit))
    return {name: commit for _, name, commit in sorted(found)}


def rendered_paths(root: Path, commit: str) -> set[str]:
    """Return the paths that the template at `commit` can render."""
    listed = git(root, "ls-tree", "-r", "-z", "--name-only", commit, TEMPLATE).split("\0")
    return {path.removeprefix(TEMPLATE).removesuffix(".jinja") for path in listed if path}


def asked_questions(root: Path, commit: str) -> set[str]:
    """Return the names of the questions that `copier.yml` at `commit` asks."""
    configuration = yaml.safe_load(git(root, "show", f"{commit}:copier.yml"))
    return {
        name
        for name, question in configuration.items()
        if not name.startswith("_") and question.get("when", True) is not False
    }


def vanished(root: Path, since: str) -> list[str]:
    """Return the paths and questions that are at the commit `since` and no longer at HEAD."""
    paths = rendered_paths(root, since) - rendered_paths(root, "HEAD")
    questions = asked_questions(root, since) - asked_questions(root, "HEAD")
    return [*sorted(paths), *sorted(questions)]


def entry(changelog: str) -> str:
    """Return what the changelog says of the version to come.

    Raises:
        ReleaseRefusedError: It says nothing, or not what an update will do.
    """
    _, heading, rest = changelog.partition(f"{UNRELEASED}\n")
    text = rest.partition("\n## ")[0]
    if not heading or not text.strip():
        raise ReleaseRefusedError(
            f"CHANGELOG.md has nothing under “{UNRELEASED}”: write what is new."
        )
    if not text.partition(PROMISE)[2].strip():
        raise ReleaseRefusedError(
            f"CHANGELOG.md has no “{PROMISE}” for this version: add the section."
        )
    return text


def release(root: Path, version: str, *, today: datetime.date) -> None:
    """Set the version, date the changelog's entry, commit and tag.

    Args:
        root: A checkout of this repository.
        version: The new version, in the form of PEP 440.
        today: The date of the release.

    Raises:
        ReleaseRefusedError: Something is missing; nothing was changed.
    """
    try:
        new = Version(version)
    except InvalidVersion:
        raise ReleaseRefusedError(
            f"{version!r} is no PEP 440 version: write one like 1.2.0."
        ) from None
    if str(new) != version:
        raise ReleaseRefusedError(f"{version!r} is not in normal form: write {new}.")
    if git(root, "status", "--porcelain").strip():
        raise ReleaseRefusedError("The work tree has changes: commit or stash them first.")
    earlier = releases(root)
    last = next(reversed(earlier), None)
    if last and new <= Version(last):
        raise ReleaseRefusedError(f"{version} is not after {last}: choose a later one.")
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    promised = entry(text).partition(PROMISE)[2]
    if last:
        unnamed = [each for each in vanished(root, earlier[last]) if f"`{each}`" not in promised]
        if unnamed:
            raise ReleaseRefusedError(
                f"Gone since {last}, and not named under “{PROMISE}”: {', '.join(unnamed)}. "
                "Bring them back, or tell users in backticks what became of them."
            )
    project = root / "pyproject.toml"
    metadata = project.read_text(encoding="utf-8")
    set_version = re.compile(r'^version = ".*"$', re.MULTILINE)
    dated = f"{UNRELEASED}\n\n## {version} ({today.isoformat()})\n"
    changelog.write_text(text.replace(f"{UNRELEASED}\n", dated, 1), encoding="utf-8")
    stated = set_version.sub(f'version = "{version}"', metadata, count=1)
    project.write_text(stated, encoding="utf-8")
    git(root, "commit", "--quiet", "--all", f"--message=Release {version}")
    git(root, "tag", "--annotate", f"--message=Ashlar {version}", version)


def main() -> int:
    """Make the release that the command line names; 1 when it is refused."""
    if len(sys.argv) != 2:
        print("error: name one version, like: uvx nox -s release -- 0.2.0", file=sys.stderr)
        return 1
    try:
        release(ROOT, sys.argv[1], today=datetime.datetime.now(tz=datetime.UTC).date())
    except ReleaseRefusedError as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 1
    print(f"Released {sys.argv[1]}; publish it with: git push --follow-tags")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
