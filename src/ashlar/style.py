"""Bringing both renders to the style of the project, so that only what was said otherwise differs.

A file without edits is merged as it was rendered. An edited one that the project keeps
formatted is merged formatted by the project's own ruff, and each has the line ends of HEAD's.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ashlar.git import GitError, environment
from ashlar.project import Project

Files = dict[str, bytes]
Formatter = Callable[[Mapping[str, Files]], Mapping[str, Files]]

_CONFIGURATIONS = ("pyproject.toml", "ruff.toml", ".ruff.toml")
_LOCKED = re.compile(r'^name = "ruff"\nversion = "([^"]+)"', re.MULTILINE)


class UnformattedError(Exception):
    """Raised when the project's ruff cannot run; says why."""


@dataclass(frozen=True)
class Styled:
    """Both renders in the project's style.

    Attributes:
        base: The old version's files.
        theirs: The new version's.
        unformatted: Why they are not formatted, where they would have to be.
    """

    base: Files
    theirs: Files
    unformatted: str = ""


def in_style(base: Files, theirs: Files, head: Files, *, formatter: Formatter) -> Styled:
    """Return both renders in the style of the project.

    Args:
        base: The old version's files.
        theirs: The new version's files.
        head: The project's, at least those at the paths of the others.
        formatter: Formats groups of Python files as the project does.
    """
    crlf = {path for path, content in head.items() if _is_crlf(content)}
    plain = {path: _to_lf(content) if path in crlf else content for path, content in head.items()}
    unformatted = ""
    if _needs_formatting(base, theirs, plain):
        try:
            base, theirs = _formatted(base, theirs, plain, formatter)
        except UnformattedError as error:
            unformatted = str(error)
    common = base.keys() & head.keys()
    everywhere = len(crlf & common) * 2 > len(common)

    def ends(files: Files) -> Files:
        return {
            path: _to_crlf(content)
            if path in crlf or (everywhere and path not in head)
            else content
            for path, content in files.items()
        }

    return Styled(ends(base), ends(theirs), unformatted)


def _needs_formatting(base: Files, theirs: Files, head: Files) -> bool:
    """Return whether the template changes an edited file, or adds one beside edited ones."""
    edited = {path for path, content in _python(base).items() if head.get(path, content) != content}
    return any(base[path] != theirs.get(path) for path in edited) or (
        bool(edited) and not _python(theirs).keys() <= base.keys()
    )


def _formatted(
    base: Files, theirs: Files, head: Files, formatter: Formatter
) -> tuple[Files, Files]:
    done = formatter({"base": _python(base), "theirs": _python(theirs), "head": _python(head)})
    neat, new, kept = (base | done["base"]), (theirs | done["theirs"]), done["head"]

    def as_rendered(path: str) -> bool:
        """Return whether a file stays as it was rendered: unedited, or not kept formatted."""
        mine = head.get(path)
        return mine is not None and (mine == base.get(path) or mine != kept.get(path, mine))

    # A file that is new follows the others: is any kept in another style than the template's?
    other_style = any(
        neat[path] != content != head.get(path, content) == kept.get(path)
        for path, content in base.items()
    )
    for path in base:
        if as_rendered(path):
            neat[path] = base[path]
    for path in theirs:
        is_new = path not in base and not other_style
        if as_rendered(path) or is_new:
            new[path] = theirs[path]
    return neat, new


def _python(files: Files) -> Files:
    return {path: content for path, content in files.items() if path.endswith((".py", ".pyi"))}


def _is_crlf(content: bytes) -> bool:
    return b"\0" not in content and content.count(b"\r\n") * 2 > content.count(b"\n")


def _to_lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def _to_crlf(content: bytes) -> bytes:
    return content if b"\0" in content else _to_lf(content).replace(b"\n", b"\r\n")


def project_formatter(project: Project, scratch: Path) -> Formatter:
    """Return what formats as the project does: its own ruff, with its configuration.

    Args:
        project: The project.
        scratch: A folder for the files.
    """

    def formatter(groups: Mapping[str, Files]) -> Mapping[str, Files]:
        ruff = _find_ruff(project)
        found = _configuration(project)
        for name, files in groups.items():
            _write(scratch / name, found | files)
        for name in groups:
            # The project's own files may hold what ruff cannot read; then they stay as they are.
            _run_ruff(ruff, scratch / name, "format", must=name != "head")
        return {
            name: {path: (scratch / name / path).read_bytes() for path in files}
            for name, files in groups.items()
        }

    return formatter


def tidied(project: Project, files: Files, scratch: Path) -> Files:
    """Return new files as the project's own ruff leaves them.

    Imports that nothing uses are taken out, the others sorted, and all is formatted.

    Args:
        project: The project.
        files: Python files by their paths in it.
        scratch: A folder for them.

    Raises:
        UnformattedError: The project's ruff cannot run.
    """
    ruff = _find_ruff(project)
    _write(scratch, _configuration(project) | files)
    # Most modules that these import are not in the folder.
    ours = 'lint.isort.known-first-party=["app", "devtools", "tests"]'
    _run_ruff(ruff, scratch, "check", "--select=F401,I", "--fix", "--config", ours, must=True)
    _run_ruff(ruff, scratch, "format", must=True)
    return {path: (scratch / path).read_bytes() for path in files}


def _find_ruff(project: Project) -> list[str]:
    venv = os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv")
    own = project.folder / venv / "bin" / "ruff"
    if own.exists():
        return [str(own)]
    entry = project.files.get("uv.lock")
    locked = _LOCKED.search(project.git.blobs([entry.blob])[entry.blob].decode()) if entry else None
    if locked is None:
        raise UnformattedError("the project has no .venv and no uv.lock that names its ruff")
    return ["uv", "tool", "run", "--quiet", f"ruff@{locked[1]}"]


def _configuration(project: Project) -> Files:
    """Return the files that configure ruff: the project's, or those of a folder above it."""
    folders = [project.prefix.rstrip("/")]
    while folders[-1]:
        folders.append(folders[-1].rpartition("/")[0])
    for folder in folders:
        found = {}
        for name in _CONFIGURATIONS:
            with suppress(GitError):
                path = f"{folder}/{name}" if folder else name
                found[name] = project.git.raw("show", f"{project.head}:{path}")
        if any("ruff.toml" in name or b"[tool.ruff" in text for name, text in found.items()):
            return found
    return {}


def _write(folder: Path, files: Files) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _run_ruff(ruff: list[str], folder: Path, *what: str, must: bool) -> None:
    folder.mkdir(exist_ok=True)
    try:
        ended = subprocess.run(
            [*ruff, *what, "--quiet", "--no-cache", "."],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnformattedError(f"the project's ruff cannot run: {error}") from error
    if ended.returncode and must:
        said = ended.stderr.strip().splitlines()
        raise UnformattedError(
            f"the project's ruff failed: {said[0] if said else f'exit code {ended.returncode}'}"
        )
