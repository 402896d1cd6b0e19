"""The one error of this package, with the next step a developer can take."""

from app.core.exceptions import ConfigurationError


class EmbeddedPostgresError(ConfigurationError):
    """The embedded PostgreSQL server cannot be found, created, started or shared."""


def full_disk(folder: object) -> EmbeddedPostgresError:
    """The error for a disk, or a quota, that has no room left for `folder`."""
    return EmbeddedPostgresError(
        f"There is not enough free disk space for the embedded PostgreSQL server in {folder}.",
        next_step="Free some space there (128 MB are enough), or set DATABASE_URL to a server.",
    )
