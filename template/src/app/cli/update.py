"""`app update`: the template's own command, in the version that the project is updated to.

It needs nothing of the application's: after an interrupted update, most of its modules may be broken.
"""

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

ANSWERS_FILE: Final = ".copier-answers.yml"
_SHORT: Final = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_RELEASE: Final = re.compile(r"v?\d+(\.\d+)*")

update = typer.Typer(add_completion=False)


# All options but this one, and the help, are for `ashlar update`.
@update.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["--no-help"]}
)
def run(context: typer.Context, to: Annotated[str | None, typer.Option()] = None) -> None:
    """Bring a later version of the template in, or other answers."""
    here = Path.cwd()
    places = (read_answer(folder / ANSWERS_FILE, "_src_path") for folder in (here, *here.parents))
    if (source := next(filter(None, places), None)) is None:
        _refuse(
            f"no {ANSWERS_FILE} here or above names the template (_src_path).",
            f"Take it back from git: `git log -- {ANSWERS_FILE}` has its versions.",
        )
    url = git_url(source)
    try:
        command = ["uvx", "--from", f"git+{url}@{_commit(url, to)}", "ashlar", "update", *context.args]
        ended = subprocess.run([*command, *(["--to", to] if to else [])], check=False)  # noqa: S603 — never a shell's
    except FileNotFoundError as error:
        _refuse(f"{error.filename} is not here.", "Install git 2.38 or later, and uv: `pip install uv`.")
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        _refuse(
            f"the template at {re.sub('(?<=://)[^/@]*@', '', url)} cannot be reached: {said[-1]}",
            f"Check the network and your access; if it has moved, write where it is to _src_path in {ANSWERS_FILE}.",
        )
    raise typer.Exit(ended.returncode)


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
    with suppress(OSError, ValueError, KeyError, subprocess.SubprocessError):
        journal = folder / _git("-C", str(folder), "rev-parse", "--git-path", "ashlar/journal.json").strip()
        return str(json.loads(journal.read_text(encoding="utf-8"))["title"])
    return None


def _commit(url: str, version: str | None) -> str:
    """Return the commit of a released version: the one that is asked for, else the latest, else the main branch."""
    commits: dict[str, str] = {}
    for line in _git("ls-remote", "--", url).splitlines():
        commit, _, name = line.partition("\t")
        # An annotated tag is listed twice; the second time, with ^{}, as the commit it stands for.
        commits[name.removeprefix("refs/tags/").removesuffix("^{}")] = commit
    releases = [name for name in commits if _RELEASE.fullmatch(name)]
    latest = max(releases, key=lambda name: [int(part) for part in name.lstrip("v").split(".")], default="HEAD")
    return commits[version if version in releases else latest]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def _refuse(message: str, next_step: str) -> NoReturn:
    sys.stderr.write(f"error: {message}\nnext: {next_step}\n")
    raise typer.Exit(1)
