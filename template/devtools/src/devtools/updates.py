"""Updates from the template: `app update`, and the doctor's lines about what the last one has left to do.

Nothing of the application is needed but its output: after an interrupted update, most modules may be broken.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.output import Finding, fail

_ANSWERS_FILE: Final = ".copier-answers.yml"
# How Copier's names of a template begin, and git's addresses.
_STARTS: Final = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/", "git+": "", "/": "file:///"}
_RELEASE: Final = re.compile(r"v?\d+(\.\d+)*")

update = typer.Typer(add_completion=False)


# All options but this one, and the help, are for `ashlar update`.
@update.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["--no-help"]}
)
def run(context: typer.Context, to: Annotated[str | None, typer.Option()] = None) -> None:
    """Bring a later version of the template in, or other answers: by the version that the project is updated to."""
    if (url := _read_answer("_src_path")) is None:
        fail(
            f"no {_ANSWERS_FILE} here or above names the template (_src_path).",
            f"Take it back from git: `git log -- {_ANSWERS_FILE}` has its versions.",
        )
    for start, address in _STARTS.items():
        if url.startswith(start):
            url = address + url.removeprefix(start)
    if "://" not in url:  # as scp has it
        url = f"ssh://{url.replace(':', '/', 1)}"
    try:
        commit = _find_commit(url, to)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        fail(
            f"the template at {re.sub('(?<=://)[^/@]*@', '', url)} cannot be reached: {said[-1]}",
            f"Check the network and your access; if it has moved, write where it is to _src_path in {_ANSWERS_FILE}.",
        )
    command = ["uvx", "--from", f"git+{url}@{commit}", "ashlar", "update", *context.args]
    ended = subprocess.run([*command, *(["--to", to] if to else [])], check=False)  # noqa: S603 — never a shell's
    raise typer.Exit(ended.returncode)


def find_leftovers() -> Iterator[Finding]:
    """Yield what there is to do, or that there is nothing; neither where no template is known."""
    with suppress(OSError, ValueError, KeyError, subprocess.CalledProcessError):
        journal = Path(_git("rev-parse", "--git-path", "ashlar/journal.json").strip())
        title = json.loads(journal.read_text(encoding="utf-8"))["title"]
        yield Finding("failed", "updates", f"{title} was interrupted", "Run `app update`: it finishes or undoes it.")
        return
    files = ""
    with suppress(OSError, subprocess.CalledProcessError):
        files = ", ".join(dict.fromkeys(_git("diff", "--name-only", "--relative", "--diff-filter=U").splitlines()))
    if files:
        step = "Choose between the lines at <<<<<<< and >>>>>>>, then `git add` the files."
        yield Finding("failed", "updates", f"conflicts are left in {files}", step)
    elif version := _read_answer("_commit"):
        yield Finding("ok", "updates", f"on version {version} of the template, nothing left to settle")


def _read_answer(name: str) -> str | None:
    """Return what the answers file of this folder, or the nearest above it, says: Copier writes a line for each."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        with suppress(OSError):
            text = (folder / _ANSWERS_FILE).read_text(encoding="utf-8")
            if found := re.search(rf"^{name}: *(.+?)\s*$", text, re.MULTILINE):
                return found[1].strip("'\"")
    return None


def _find_commit(url: str, version: str | None) -> str:
    """Return the commit of a released version: the one that is asked for, else the latest, else the main branch."""
    commits: dict[str, str] = {}
    for line in _git("ls-remote", "--sort=version:refname", "--", url).splitlines():
        commit, _, name = line.partition("\t")
        # An annotated tag is listed twice; the second time, with ^{}, as the commit it stands for.
        commits[name.removeprefix("refs/tags/").removesuffix("^{}")] = commit
    releases = ["HEAD", *filter(_RELEASE.fullmatch, commits)]
    return commits[version if version in releases else releases[-1]]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607
