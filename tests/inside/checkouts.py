"""Small projects in git."""

import subprocess
from pathlib import Path

_IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
ANSWERS = ".copier-answers.yml"


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints; its hooks and settings are not this machine's."""
    return subprocess.run(
        ["git", *_IDENTITY, "-c", "core.hooksPath=/dev/null", *arguments],  # noqa: S607 — wherever it is
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def write(folder: Path, files: dict[str, str]) -> None:
    """Make files with their folders."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def commit(folder: Path, files: dict[str, str] | None = None, *, message: str = "Test") -> None:
    """Commit everything in a folder, in a repository that is made where there is none."""
    write(folder, files or {})
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")


def answers(source: Path | str, version: str = "0.1.0", more: str = "") -> dict[str, str]:
    """The answers file of a project."""
    return {ANSWERS: f"_commit: {version}\n_src_path: {source}\n{more}"}
