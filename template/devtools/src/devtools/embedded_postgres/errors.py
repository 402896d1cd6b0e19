"""The one error of this package, with the next step a developer can take."""

from app.core.exceptions import ConfigurationError

_NO_SPACE = ("No space left on device", "Disk quota exceeded", "File too large")


class EmbeddedPostgresError(ConfigurationError):
    """The embedded PostgreSQL server cannot be found, created, started or shared."""


def is_full_disk(output: str) -> bool:
    """Whether a program of PostgreSQL failed for lack of space, judging by what it said."""
    return any(reason in output for reason in _NO_SPACE)


def full_disk(folder: object) -> EmbeddedPostgresError:
    """The error for a disk, or a quota, that has no room left for `folder`."""
    return EmbeddedPostgresError(
        f"There is not enough disk space for the embedded PostgreSQL server in {folder}, or a quota "
        "or a limit on the size of files is too low.",
        next_step="Free some space there (128 MB are enough), or set DATABASE_URL to a server.",
    )
