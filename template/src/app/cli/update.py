"""`app update`: the template's own command, in the version that the project is updated to.

It needs nothing but the standard library: after an interrupted update, most other modules may be broken.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

ANSWERS_FILE: Final = ".copier-answers.yml"
_SHORT: Final = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_RELEASE: Final = re.compile(r"v?\d+(\.\d+)*")


def update(arguments: Sequence[str]) -> int:
    """Run `ashlar update`, and return its exit code.

    Args:
        arguments: Its options, as they were typed.
    """
    here = Path.cwd()
    answers = next((at / ANSWERS_FILE for at in (here, *here.parents) if (at / ANSWERS_FILE).is_file()), None)
    source = read_answer(answers, "_src_path") if answers else None
    if source is None:
        return _refuse(
            f"no {ANSWERS_FILE} here or above names the template (_src_path).",
            f"Take it back from git: `git log -- {ANSWERS_FILE}` has its versions.",
        )
    url = git_url(source)
    try:
        commit = _commit(url, _requested(arguments))
        return subprocess.run(  # noqa: S603 — a program and its arguments, never a shell's
            ["uvx", "--from", f"git+{url}@{commit}", "ashlar", "update", *arguments],  # noqa: S607 — wherever it is
            check=False,
        ).returncode
    except FileNotFoundError as error:
        return _refuse(f"{error.filename} is not here.", "Install git 2.38 or later, and uv: `pip install uv`.")
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        return _refuse(
            f"the template at {re.sub('(?<=://)[^/@]*@', '', url)} cannot be reached: {said[-1]}",
            f"Check the network and your access; if it has moved, write where it is to _src_path in {ANSWERS_FILE}.",
        )


def read_answer(file: Path, name: str) -> str | None:
    """Return what the answers file says, or None: Copier writes a line for each answer."""
    try:
        found = re.search(rf"^{name}: *(.+?)\s*$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1].strip("'\"") if found else None


def git_url(source: str) -> str:
    """Return git's URL of what Copier calls a source."""
    for short, url in _SHORT.items():
        if source.startswith(short):
            return f"{url}{source.removeprefix(short)}"
    source = source.removeprefix("git+")
    if "://" in source:
        return source
    host, colon, path = source.partition(":")
    if colon and "/" not in host:
        return f"ssh://{host}/{path}"
    return f"file://{Path(source).expanduser()}"


def find_interrupted(folder: Path) -> str | None:
    """Return the title of an update that was interrupted; None when there is none, or git does not answer."""
    command = ["git", "rev-parse", "--git-path", "ashlar/journal.json"]
    with suppress(OSError, ValueError, KeyError, subprocess.SubprocessError):
        asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603 — as above
        return str(json.loads((folder / asked.stdout.strip()).read_text(encoding="utf-8"))["title"])
    return None


def _requested(arguments: Sequence[str]) -> str | None:
    """Return the version after `--to`."""
    for argument, following in zip(arguments, [*arguments[1:], None], strict=False):
        if argument == "--to":
            return following
        if argument.startswith("--to="):
            return argument.partition("=")[2]
    return None


def _commit(url: str, version: str | None) -> str:
    """Return the commit of a released version: the one that is asked for, else the latest, else the main branch."""
    listed = subprocess.run(  # noqa: S603 — as above
        ["git", "ls-remote", "--", url],  # noqa: S607 — as above
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commits: dict[str, str] = {}
    for line in listed.splitlines():
        commit, _, name = line.partition("\t")
        # An annotated tag is listed twice; the second time, with ^{}, as the commit it stands for.
        commits[name.removeprefix("refs/tags/").removesuffix("^{}")] = commit
    releases = [name for name in commits if _RELEASE.fullmatch(name)]
    latest = max(releases, key=lambda name: [int(part) for part in name.lstrip("v").split(".")], default="HEAD")
    return commits[version if version in releases else latest]


def _refuse(message: str, next_step: str) -> int:
    sys.stderr.write(f"error: {message}\nnext: {next_step}\n")
    return 1
