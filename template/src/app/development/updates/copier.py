"""Copier, run as a program: it is no part of this project."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.core.exceptions import ConfigurationError
from app.development.updates.answers import FILE_NAME, Answers, unknown_version
from app.development.updates.checkout import run_program

_COMMANDS: Final = (("copier",), ("uvx", "copier"), ("uv", "tool", "run", "copier"))

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")
# What stands before the sentence in the last line of a traceback, or of a program that Copier has run.
_PREAMBLE: Final = re.compile(r"^(?:[\w.]+(?:Error|Exception): |\s*Stderr:\s*\||\s*\|)\s*")
_UNKNOWN: Final = re.compile("Unknown revision: '(.+)'")
# What Copier 9 says, most of it as the last line of a traceback, and what helps.
_STEPS: Final = (
    (
        r"unable to access|Could not re(?:ad|solve)|does not (?:appear|exist)|Permission denied|not found$",
        f"Check the network, your access, and where {FILE_NAME} says the template is (_src_path).",
    ),
    (r"downgrading", "Choose a version that is not older with --vcs-ref; back to an earlier state leads git."),
    (
        r"Invalid choice|Validation error|Invalid answer|is required",
        f"Correct it, in --data or in {FILE_NAME}, and commit the file.",
    ),
)


def find_copier() -> Sequence[str]:
    """The command that is Copier: the one that is installed, or uv's, which fetches it.

    Raises:
        ConfigurationError: There is neither.
    """
    for command in _COMMANDS:
        if shutil.which(command[0]):
            return command
    raise ConfigurationError("Copier is not here, nor uv to fetch it.", next_step="Install uv: `pip install uv`.")


def run_copier(folder: Path, answers: Answers, *arguments: str) -> None:
    """Run Copier without questions, messages and tasks.

    Args:
        folder: The working directory.
        answers: Where the template is.
        arguments: The command, its options, and what it is for.

    Raises:
        ConfigurationError: It failed; the message has its last sentence.
    """
    command, *others = arguments
    options = ("--quiet", "--defaults", "--skip-tasks")
    done = run_program(folder, *find_copier(), command, *options, *others)
    if not done.returncode:
        return
    lines = [line for line in _ESCAPES.sub("", done.stderr).splitlines() if line.strip()]
    said = _PREAMBLE.sub("", lines[-1]) if lines else f"exit code {done.returncode}"
    if unknown := _UNKNOWN.search(said):
        raise unknown_version(answers.source, unknown[1], recorded=unknown[1] == answers.version)
    step = next((step for pattern, step in _STEPS if re.search(pattern, said)), "Settle that, and try again.")
    raise ConfigurationError(f"The update would fail: {said.rstrip('.')}. The project is as it was.", next_step=step)
