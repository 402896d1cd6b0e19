"""File locks that the kernel releases when their process ends, however it ends."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from devtools.embedded_postgres.programs import EmbeddedPostgresError

_STEP = 0.005  # seconds between two attempts at a lock that is held


class LockFile:
    """An advisory lock (flock) on a file, created when missing and never removed; programs started do not inherit it.

    Args:
        path: The file; its folder must exist.

    Raises:
        OSError: The file cannot be opened or, when the lock is taken, its file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock unless another process stands in the way; return True where that worked."""
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
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
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def fileno(self) -> int:
        """Return the descriptor, for a child that is to own the lock together with this process."""
        return self._descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file. A child that was given the descriptor still holds the lock."""
        os.close(self._descriptor)
