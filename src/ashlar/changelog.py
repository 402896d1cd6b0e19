"""The changelog of the versions in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest

from packaging.version import InvalidVersion, Version

FILE_NAME = "CHANGELOG.md"

_HEADING = re.compile(r"^## (\S+).*$", re.MULTILINE)
_SECURITY = re.compile(r"^(?:#+|[-*])\s+\W*security\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """The changelog's section on a version.

    Attributes:
        version: The version.
        text: Its section, with the heading.
    """

    version: Version
    text: str

    @property
    def is_security(self) -> bool:
        """True if a heading or an item of it starts with the word “Security”."""
        return _SECURITY.search(self.text) is not None


def sections(text: str, *, names: set[str]) -> Iterator[Section]:
    """Yield the sections of some versions, in the changelog's order.

    Args:
        text: The changelog.
        names: The versions.
    """
    wanted = {Version(name) for name in names}
    found = list(_HEADING.finditer(text))
    for heading, following in zip_longest(found, found[1:]):
        with suppress(InvalidVersion):
            version = Version(heading[1])
            if version in wanted:
                end = following.start() if following else len(text)
                yield Section(version, text[heading.start() : end].strip())
