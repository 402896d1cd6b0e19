"""Tables and columns that no model describes any more and that stay in the database: `migrations/kept.txt`."""

from collections.abc import Iterable
from pathlib import Path

from app.core.exceptions import ConfigurationError

FILE_NAME = "kept.txt"

_HEADER = """\
# Tables and columns that no model describes any more, and that stay in the database: migrations leave them alone.
# `app db revision --keep NAME` adds one, with --drop NAME it goes, here and by a migration. Keep this file in git.
"""


def read_kept(migrations: Path) -> frozenset[str]:
    """The names in the list: `table` or `table.column`; none when there is no list.

    Args:
        migrations: The folder of the migrations.

    Raises:
        ConfigurationError: The list cannot be read.
    """
    path = migrations / FILE_NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read.", next_step="Make it a readable text file in UTF-8, a name a line."
        ) from error
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))


def write_kept(migrations: Path, names: Iterable[str]) -> None:
    """Make this the list; without a name there is no file.

    Args:
        migrations: The folder of the migrations.
        names: `table` or `table.column`.

    Raises:
        ConfigurationError: It cannot be written.
    """
    path = migrations / FILE_NAME
    lines = "".join(f"{name}\n" for name in sorted(names))
    try:
        if lines:
            path.write_text(_HEADER + lines, encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}).", next_step="Make it writable and run the command again."
        ) from error
