"""The list of what stays in the database without a model: `migrations/kept.txt`."""

from collections.abc import Iterable

from app.core.config.loading import project_folder
from app.core.exceptions import ConfigurationError

PLACE = "migrations/kept.txt"

_HEADER = """\
# Tables and columns that no model describes any more, and that stay in the database: migrations leave them alone.
# `app db revision --keep NAME` adds one, with --drop NAME it goes, here and by a migration. Keep this file in git.
"""


def read_kept() -> frozenset[str]:
    """Return the names in the list, `table` or `table.column`; none when there is no list.

    Raises:
        ConfigurationError: The list cannot be read.
    """
    try:
        lines = (project_folder() / PLACE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{PLACE} cannot be read.", next_step="Make it a readable text file in UTF-8, a name a line."
        ) from error
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))


def write_kept(names: Iterable[str]) -> None:
    """Make these the list; without a name there is no file."""
    path = project_folder() / PLACE
    if lines := "".join(f"{name}\n" for name in sorted(names)):
        path.write_text(_HEADER + lines, encoding="utf-8")
    else:
        path.unlink(missing_ok=True)
