"""The journal of a change to the work tree: whatever interrupts it, it is finished or undone.

All new files lie ready before the first old one is moved aside, so that only renames are left to
do. What a file held before and holds afterwards is noted: anything else is the user's, and is kept.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ashlar.errors import RefusedError


@dataclass(frozen=True)
class Change:
    """A file that changes.

    Attributes:
        path: Where it is, from the top of the work tree.
        before: The digest of what is there; None where nothing is.
        after: The digest of what will be there; None where nothing will be.
    """

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The journal's content.

    Attributes:
        head: The commit that the project is on.
        title: What is going on, such as “0.1.0 → 0.2.0”.
        changes: The files, in the order in which they change.
        index: What becomes of the index, for `git update-index -z --index-info`.
        lock: Whether the lock file is to be refreshed.
    """

    head: str
    title: str
    changes: Sequence[Change]
    index: str
    lock: bool


class InTheWayError(Exception):
    """Raised when a file is neither as it was nor as it should become; names it."""


def digest(path: Path) -> str | None:
    """Return a digest of a file, of where a link leads, or None where nothing is."""
    try:
        if path.is_symlink():
            return hashlib.sha256(b"link " + os.fsencode(path.readlink())).hexdigest()
        executable = b"x " if path.stat().st_mode & 0o100 else b"- "
        return hashlib.sha256(executable + path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return "a folder"


@dataclass(frozen=True)
class Journal:
    """The journal of a work tree.

    Attributes:
        folder: Where it is kept, in the git directory.
        top: The work tree.
    """

    folder: Path
    top: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other commands out.

        Raises:
            RefusedError: One is at work.
        """
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RefusedError(
                    "Another `ashlar` is at work in this project.",
                    next_step="Wait until it has finished.",
                ) from None
            yield

    @property
    def is_open(self) -> bool:
        """True from the beginning of an update to its end."""
        return self._file.exists()

    @property
    def plan(self) -> Plan:
        """The update that was begun."""
        found = json.loads(self._file.read_text(encoding="utf-8"))
        return Plan(**{**found, "changes": [Change(**each) for each in found["changes"]]})

    def begin(self, plan: Plan) -> None:
        """Note what is going to be done; the files that become must lie ready (see `ready`)."""
        draft = self.folder / "draft.json"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(plan), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)

    def ready(self, number: int) -> Path:
        """Return where the new content of a change lies until it is put in its place."""
        return self.folder / "new" / str(number)

    def steps(self) -> Iterator[str]:
        """Do what is noted, one rename at a time; yield what each has done.

        Raises:
            InTheWayError: The user has changed a file meanwhile; what is done can be undone.
        """
        changes = list(enumerate(self.plan.changes))
        for number, change in changes:
            goes = change.after is None
            is_done = digest(self._old(number)) is not None if goes else self._is_placed(number)
            if is_done and digest(self.top / change.path) == change.before != change.after:
                # The user has gone back, with `git reset --hard` perhaps.
                raise InTheWayError(change.path)
        # What goes makes room, also for a folder of the same name.
        for number, change in changes:
            if change.after is None:
                yield from self._take_aside(number, change)
        for number, change in changes:
            new, target = self.ready(number), self.top / change.path
            if change.after is None or (not new.is_symlink() and not new.exists()):
                continue
            if digest(target) == change.after != change.before:
                new.unlink()
                continue
            yield from self._take_aside(number, change)
            if digest(target) is not None:
                raise InTheWayError(change.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(new, target)
            yield f"placed {change.path}"

    def undo(self) -> list[str]:
        """Put everything back; return the files that stay as the user has made them meanwhile."""
        kept = []
        for number, change in reversed(list(enumerate(self.plan.changes))):
            old, target = self._old(number), self.top / change.path
            placed = change.after is not None and self._is_placed(number)
            moved = digest(old) is not None
            expected = {change.after} if placed else {None} if moved else {change.before}
            if digest(target) not in expected:
                kept.append(change.path)
            elif moved:
                target.parent.mkdir(parents=True, exist_ok=True)
                _move(old, target)
            elif placed:
                target.unlink()
                _remove_empty(target.parent, self.top)
        return kept

    def close(self) -> None:
        """Forget what is noted, and all that lay ready for it."""
        self._file.unlink(missing_ok=True)
        self.clear()

    def clear(self) -> None:
        """Remove what an interrupted command has left lying, where nothing was begun."""
        for path in self.folder.glob("*"):
            if path.name == "lock" or self.is_open:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def _take_aside(self, number: int, change: Change) -> Iterator[str]:
        old, target = self._old(number), self.top / change.path
        if digest(old) is not None:
            return
        if digest(target) != change.before:
            raise InTheWayError(change.path)
        if change.before is not None:
            old.parent.mkdir(exist_ok=True)
            _move(target, old)
            if change.after is None:
                _remove_empty(target.parent, self.top)
            yield f"took {change.path} aside"

    def _is_placed(self, number: int) -> bool:
        return digest(self.ready(number)) is None

    def _old(self, number: int) -> Path:
        return self.folder / "old" / str(number)

    @property
    def _file(self) -> Path:
        return self.folder / "journal.json"


def _move(source: Path, target: Path) -> None:
    """Move a file, in one step where both places are on one file system."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}.ashlar")
        shutil.copy2(source, beside, follow_symlinks=False)
        beside.replace(target)
        source.unlink()


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove folders that have become empty, as git does."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
