"""The project as git sees it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run_program(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, which nobody can talk to.

    Args:
        folder: The working directory.
        command: The program and its arguments.

    Raises:
        FileNotFoundError: There is no such program.
    """
    return subprocess.run(  # noqa: S603 — programs are git and Copier, arguments are never a shell's
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        # Paths are bytes, and what a template says need not be UTF-8.
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )


def git(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run git in a folder."""
    return run_program(folder, "git", *arguments)


def is_in_git(folder: Path) -> bool:
    """Whether the folder is kept in git, and git is here to be asked."""
    return shutil.which("git") is not None and git(folder, "rev-parse", "--is-inside-work-tree").stdout == "true\n"


def paths(folder: Path, *arguments: str) -> list[str]:
    """What a command of git lists, relative to the folder.

    Args:
        folder: Nothing outside of it is listed.
        arguments: The command; it must understand `-z`.
    """
    command: Sequence[str] = (arguments[0], "-z", *arguments[1:])
    return sorted({path for path in git(folder, *command).stdout.split("\0") if path})
