"""The doctor's lines about updates from the template: the last one settled, later ones out."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from app.cli.errors import Finding
from app.cli.update import ANSWERS_FILE, find_interrupted, git_url, read_answer
from app.core.config.loading import project_folder
from app.core.redaction import redact_text

_SUBJECT = "updates"
_SHOWN = 3
_SECONDS = 5.0
_SECURITY = re.compile(r"^(?:#+|[-*])\s+\W*security\b", re.IGNORECASE | re.MULTILINE)
_PROSE = (":(exclude)*.md", ":(exclude)*.rst", ":(exclude)*.txt")


class _Release(NamedTuple):
    """A later version of the template; `is_security` where its changelog says that it closes a hole."""

    version: str
    is_security: bool


def find_leftovers() -> Iterator[Finding]:
    """Yield a line for each thing to do; none where the project is not kept in git, as in the image."""
    folder = project_folder()
    answers = folder / ANSWERS_FILE
    if reason := _refusal(folder):
        yield Finding("warning", _SUBJECT, f"git does not answer ({reason})", "Do what `git status` says here.")
        return
    if not _is_in_git(folder):
        if answers.exists():
            yield Finding(
                "warning",
                _SUBJECT,
                "this project is not kept in git, and no other is updated",
                "Run `git init`, `git add --all` and `git commit`.",
            )
        return
    if title := find_interrupted(folder):
        yield Finding("failed", _SUBJECT, f"{title} was interrupted", "Run `app update`: it finishes or undoes it.")
        return
    if files := _unsettled(folder):
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        yield Finding(
            "failed",
            _SUBJECT,
            f"conflicts are left in {', '.join(files[:_SHOWN])}{more}",
            "Choose between the lines at <<<<<<< and >>>>>>>, take what you need of a .rej file and delete it; "
            "then `git add` them.",
        )
    version = read_answer(answers, "_commit")
    if version is None or read_answer(answers, "_src_path") is None:
        yield Finding(
            "warning",
            _SUBJECT,
            f"{ANSWERS_FILE} does not say what the project was made from (_src_path, _commit)",
            f"Take it back from git: `git log -- {ANSWERS_FILE}` has its versions.",
        )
        return
    odd = _strangers(folder)
    for name in odd:
        yield Finding(
            "warning",
            _SUBJECT,
            f"{ANSWERS_FILE} says that {name} is on, and nothing in src/ mentions it",
            f"If it is to stay out, say so: `app update --data use_{name}=false`.",
        )
    later = list(_later_releases(folder))
    if holes := [release.version for release in later if release.is_security]:
        yield Finding(
            "warning",
            _SUBJECT,
            redact_text(f"on version {version} of the template; security fixes are out in {', '.join(holes)}"),
            "Run `app update`.",
        )
    elif later:
        yield Finding(
            "ok",
            _SUBJECT,
            redact_text(f"on version {version} of the template; {later[0].version} is out"),
            "Run `app update --dry-run`, which shows what it would do.",
        )
    elif not files and not odd:
        yield Finding("ok", _SUBJECT, redact_text(f"on version {version} of the template, nothing left to settle"))


def _is_in_git(folder: Path) -> bool:
    """Return whether the folder is kept in git, and git is here to be asked."""
    return shutil.which("git") is not None and _git(folder, "rev-parse", "--is-inside-work-tree") == "true\n"


def _refusal(folder: Path) -> str | None:
    """Return git's reason for not answering about a folder that is kept in it; None where it answers, or is not."""
    if _is_in_git(folder) or not any((at / ".git").exists() for at in (folder, *folder.parents)):
        return None
    try:
        asked = subprocess.run(["git", "status"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S607
    except OSError as error:
        return f"git: {error.strerror}"
    return next(iter(asked.stderr.splitlines()), "it gives no reason").removeprefix("fatal: ")


def _unsettled(folder: Path) -> list[str]:
    """Return the files with conflicts, and the `.rej` files that hold rejected changes."""
    markers = [part for line in ("^<{7} ", "^={7}$", "^>{7} ") for part in ("-e", line)]
    found = {
        *_paths(folder, "diff", "-z", "--name-only", "--relative", "--diff-filter=U"),
        *_paths(folder, "grep", "-z", "--untracked", "-I", "-l", "-E", "--all-match", *markers, "--", ".", *_PROSE),
        *_paths(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rej"),
    }
    return sorted(found)


def _strangers(folder: Path) -> list[str]:
    """Return the services that are on in the answers, and of which the code does not say a word.

    There are none where the code is elsewhere: a package that was renamed says nothing about its services here.
    """
    if not (folder / "src" / "app").is_dir():
        return []
    answers = (folder / ANSWERS_FILE).read_text(encoding="utf-8")
    wanted = re.findall(r"^use_(\w+): true$", answers, re.MULTILINE)
    code = "\n".join(path.read_text(encoding="utf-8").lower() for path in (folder / "src").rglob("*.py"))
    return sorted(name for name in wanted if name not in code)


def _later_releases(folder: Path) -> Iterator[_Release]:
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
            yield _Release(name, _SECURITY.search(section) is not None)


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
