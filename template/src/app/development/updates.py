"""What updates from the template have left in this checkout, and what is out since; never asked in production."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

ANSWERS_FILE: Final = ".copier-answers.yml"

_SHORT: Final = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_SECONDS = 5.0
_SECURITY = re.compile(r"^(?:#+|[-*])\s+\W*security\b", re.IGNORECASE | re.MULTILINE)
_PROSE = (":(exclude)*.md", ":(exclude)*.rst", ":(exclude)*.txt")


class Release(NamedTuple):
    """A later version of the template; `is_security` where its changelog says that it closes a hole."""

    version: str
    is_security: bool


def read_answer(file: Path, name: str) -> str | None:
    """Return what the answers file says, or None: Copier writes a line for each answer."""
    try:
        found = re.search(rf"^{name}: *(.+?)\s*$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1].strip("'\"") if found else None


def git_url(source: str) -> str:
    """Return a URL of git's for what Copier calls a source."""
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


def is_in_git(folder: Path) -> bool:
    """Return whether the folder is kept in git, and git is here to be asked."""
    return shutil.which("git") is not None and _git(folder, "rev-parse", "--is-inside-work-tree") == "true\n"


def refusal(folder: Path) -> str | None:
    """Return git's reason for not answering about a folder that is kept in it; None where it answers, or is not."""
    if is_in_git(folder) or not any((at / ".git").exists() for at in (folder, *folder.parents)):
        return None
    try:
        asked = subprocess.run(["git", "status"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S607
    except OSError as error:
        return f"git: {error.strerror}"
    return next(iter(asked.stderr.splitlines()), "it gives no reason").removeprefix("fatal: ")


def interrupted(folder: Path) -> str | None:
    """Return the title of an update that was interrupted; None when there is none."""
    if not is_in_git(folder):
        return None
    noted = folder / _git(folder, "rev-parse", "--git-path", "ashlar/journal.json").strip()
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(noted.read_text(encoding="utf-8"))["title"])
    return None


def unsettled(folder: Path) -> list[str]:
    """Return the files with conflicts, and the `.rej` files that hold rejected changes."""
    markers = [part for line in ("^<{7} ", "^={7}$", "^>{7} ") for part in ("-e", line)]
    found = {
        *_paths(folder, "diff", "-z", "--name-only", "--relative", "--diff-filter=U"),
        *_paths(folder, "grep", "-z", "--untracked", "-I", "-l", "-E", "--all-match", *markers, "--", ".", *_PROSE),
        *_paths(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rej"),
    }
    return sorted(found)


def strangers(folder: Path) -> list[str]:
    """Return the services that are on in the answers, and of which the code does not say a word.

    There are none where the code is elsewhere: a package that was renamed says nothing about its services here.
    """
    if not (folder / "src" / "app").is_dir():
        return []
    answers = (folder / ANSWERS_FILE).read_text(encoding="utf-8")
    wanted = re.findall(r"^use_(\w+): true$", answers, re.MULTILINE)
    code = "\n".join(path.read_text(encoding="utf-8").lower() for path in (folder / "src").rglob("*.py"))
    return sorted(name for name in wanted if name not in code)


def later_releases(folder: Path) -> Iterator[Release]:
    """Yield the releases after the project's version, the latest first; none where the template is out of reach."""
    source, version = (read_answer(folder / ANSWERS_FILE, name) for name in ("_src_path", "_commit"))
    if source is None or version is None:
        return
    with TemporaryDirectory() as temporary:
        template = Path(temporary)
        # The history alone: what a release says of itself is one file more. No password is asked for, here.
        clone = ("-c", "core.askPass=true", "clone", "--quiet", "--bare", "--filter=blob:none")
        _git(template, *clone, "--", git_url(source), ".")
        since = f"{version}..HEAD"
        names = re.findall(r"^Release (\d\S*)$", _git(template, "log", "--format=%s", since), re.MULTILINE)
        changelog = _git(template, "show", "HEAD:CHANGELOG.md") if names else ""
        for name in names:
            section = changelog.partition(f"\n## {name} ")[2].partition("\n## ")[0]
            yield Release(name, _SECURITY.search(section) is not None)


def _paths(folder: Path, *arguments: str) -> list[str]:
    return [path for path in _git(folder, *arguments).split("\0") if path]


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints: nothing where it fails or takes long."""
    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(  # noqa: S603 — arguments are never a shell's
            ["git", *arguments],  # noqa: S607 — wherever it is
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # Paths are bytes, and what a template says need not be UTF-8.
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
        ).stdout
    return ""
