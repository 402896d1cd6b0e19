"""What an update or a merge has left for its user to settle."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.development.updates.checkout import paths

_BEGIN = r"<{7} \S"
_MIDDLE = r"={7}$"
_END = r">{7} \S"
_EITHER = re.compile(f"^(?:{_BEGIN}|{_END})", re.MULTILINE)
# Text may quote a marker; that it quotes them in order, outside of a block of code, is unlikely.
_WHOLE = re.compile(rf"^{_BEGIN}.*?^{_MIDDLE}.*?^{_END}", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1", re.MULTILINE | re.DOTALL)
_PROSE = frozenset({".adoc", ".markdown", ".md", ".rst", ".txt"})


def unsettled(folder: Path) -> Iterator[str]:
    """The files with conflict markers, and the `.rej` files that hold rejected changes.

    Only files in git are read, and of these only those that have a marker.

    Args:
        folder: The project's folder, in a checkout.
    """
    unmerged = set(paths(folder, "diff", "--name-only", "--relative", "--diff-filter=U"))
    marked = paths(folder, "grep", "--untracked", "-I", "-l", "-E", f"^({'<' * 7}|{'>' * 7}) ")
    for name in marked:
        if name in unmerged or _has_conflict(folder / name):
            yield name
    yield from paths(folder, "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rej")


def has_markers(text: str) -> bool:
    """Whether a file that is not prose has a line that only a conflict puts there."""
    return _EITHER.search(text) is not None


def _has_conflict(path: Path) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix in _PROSE:
        return _WHOLE.search(_FENCED.sub("", text)) is not None
    return has_markers(text)
