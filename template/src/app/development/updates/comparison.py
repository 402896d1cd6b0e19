"""What an update does to each file, and whether it takes anything of the user's."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from app.development.updates.answers import FILE_NAME
from app.development.updates.conflicts import has_markers


class Effect(StrEnum):
    """What becomes of a file."""

    ADDED = "add"
    CHANGED = "change"
    DELETED = "delete"
    MERGED = "merge"
    CONFLICTING = "conflict"
    SKIPPED = "skip"
    LOST = "lose"


class Change(NamedTuple):
    """A file that an update touches, by its path in the project."""

    effect: Effect
    path: str


def compare(recorded: Path, before: Path, after: Path) -> Iterator[Change]:
    """Compare a project before and after an update.

    Args:
        recorded: What the template rendered when the project last came from it: all else is the user's.
        before: The project.
        after: The same after the update.
    """
    for path in sorted(_files(before) | _files(after)):
        was, becomes = _content(before / path), _content(after / path)
        if was != becomes and path != FILE_NAME:
            yield Change(_effect(_content(recorded / path), was, becomes), path)


def missing(recorded: Path, project: Path) -> list[str]:
    """The files that the user has deleted or moved since they were rendered."""
    return sorted(_files(recorded) - _files(project))


def skipped(paths: Iterable[str], recorded: Path, upcoming: Path) -> Iterator[Change]:
    """Of files that the user has deleted or moved, those that the template has changed: Copier leaves them out.

    Args:
        paths: The files.
        recorded: What the template rendered when the project last came from it.
        upcoming: What it renders at the version of the update.
    """
    for path in paths:
        becomes = _content(upcoming / path)
        if becomes is not None and becomes != _content(recorded / path):
            yield Change(Effect.SKIPPED, path)


def _effect(recorded: bytes | None, was: bytes | None, becomes: bytes | None) -> Effect:
    edited = was != recorded
    if was is None:
        return Effect.ADDED
    if becomes is None:
        return Effect.LOST if edited else Effect.DELETED
    if not edited:
        return Effect.CHANGED
    if _is_marked(becomes) and not _is_marked(was):
        return Effect.CONFLICTING
    # What the user has added must still be there, wherever that is now.
    added = Counter(was.splitlines()) - Counter((recorded or b"").splitlines())
    return Effect.LOST if added - Counter(becomes.splitlines()) else Effect.MERGED


def _is_marked(content: bytes) -> bool:
    return has_markers(content.decode(errors="replace"))


def _files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {path.relative_to(folder).as_posix() for path in found if ".git" not in path.relative_to(folder).parts}


def _content(path: Path) -> bytes | None:
    if path.is_symlink():
        return bytes(path.readlink())
    return path.read_bytes() if path.is_file() else None
