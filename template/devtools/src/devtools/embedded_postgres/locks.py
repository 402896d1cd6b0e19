"""File locks that the kernel releases when their process ends, however it ends."""

import errno
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from devtools.embedded_postgres.errors import EmbeddedPostgresError

_STEP = 0.005  # seconds between two attempts at a lock that is held


class LockFile:
    """An advisory lock (flock) on a file, created when missing and never removed.

    The lock belongs to this object alone: programs started from here do not inherit it, and a
    forked child gives up its copy at once, so that neither keeps the lock when the parent is gone.

    Args:
        path: The file; its folder must exist.

    Raises:
        EmbeddedPostgresError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise EmbeddedPostgresError(
                f"The lock file {path} cannot be opened: {err.strerror}.",
                next_step="Check who owns the folder and whether the disk has space left.",
            ) from err
        _open_locks.add(self)

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody else stands in the way; say whether that worked.

        Raises:
            EmbeddedPostgresError: The file system has no locks.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except OSError as err:
            if err.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise EmbeddedPostgresError(
                f"The file system of {self._path} does not support file locks ({err.strerror}).",
                next_step="Move the project to a local disk, or set DATABASE_URL to a server.",
            ) from err
        return True

    def acquire(self, *, deadline: float, shared: bool = False) -> None:
        """Take the lock, waiting until `deadline` (on `time.monotonic`'s clock, seconds).

        Raises:
            EmbeddedPostgresError: Another process held it all that time.
        """
        while not self.try_acquire(shared=shared):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Another process has been holding {self._path} for too long.",
                    next_step="Look for a stopped or hanging process of this project and end it.",
                )
            time.sleep(_STEP)

    def release(self) -> None:
        """Give the lock up, keeping the file open."""
        if not self.abandoned:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @property
    def abandoned(self) -> bool:
        """Whether this is a forked child's copy, which holds nothing any more."""
        return self._descriptor < 0

    def fileno(self) -> int:
        """The descriptor, for a child that is to own the lock together with this process."""
        return self._descriptor

    def close(self) -> None:
        """Close the file. A child that was given the descriptor still holds the lock."""
        _open_locks.discard(self)
        if not self.abandoned:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_open_locks: set[LockFile] = set()


def _give_up_copies() -> None:
    # A forked child shares its parent's locks: closing its descriptors (never unlocking, which
    # would unlock the parent, too) is what lets the lock end with the parent.
    for lock in list(_open_locks):
        lock.close()


os.register_at_fork(after_in_child=_give_up_copies)
