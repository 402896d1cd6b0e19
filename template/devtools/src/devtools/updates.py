"""The doctor's lines about updates from the template: what the last one has left to do."""

import subprocess
from collections.abc import Iterator

from app.cli.errors import Finding
from app.cli.update import ANSWERS_FILE, find_interrupted, read_answer
from app.core.config.loading import project_folder


def find_leftovers() -> Iterator[Finding]:
    """Yield what there is to do, or that there is nothing; neither where no template is known."""
    folder = project_folder()
    if title := find_interrupted(folder):
        yield Finding("failed", "updates", f"{title} was interrupted", "Run `app update`: it finishes or undoes it.")
        return
    try:
        command = ["git", "diff", "--name-only", "--relative", "--diff-filter=U"]
        asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        files = asked.stdout.splitlines()
    except FileNotFoundError:
        files = []
    if files:
        yield Finding(
            "failed",
            "updates",
            f"conflicts are left in {', '.join(dict.fromkeys(files))}",
            "Choose between the lines at <<<<<<< and >>>>>>>, then `git add` the files.",
        )
    elif version := read_answer(folder / ANSWERS_FILE, "_commit"):
        yield Finding("ok", "updates", f"on version {version} of the template, nothing left to settle")
