"""The site: a page of plain files, and scripts with data that it loads as it needs them.

Scripts, since a page that is opened from the file system may load nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final

from ashlar.explore.colours import colours_of
from ashlar.explore.trees import Trees, Version

PAGE: Final = (
    "index.html",
    "icon.svg",
    "style.css",
    "code.css",
    "data.js",
    "actions.js",
    "diff.js",
    "tree.js",
    "views.js",
    "main.js",
)
# Contents are in packs by the first digits of their keys.
_PACK_DIGITS = 2
_TREE = re.compile(r"data/tree/([^/]+)/([01]*)\.js")
_PACK = re.compile(r"data/(text|colours)/([0-9a-f]+)\.js")


class Site:
    """The site's files by their paths, each made when it is asked for."""

    def __init__(self, trees: Trees, *, start: str, command: str) -> None:
        """Show trees.

        Args:
            trees: The trees.
            start: The version to begin with, which is that of a command without `--version`.
            command: How `ashlar` is run.
        """
        self._trees = trees
        self._start = start
        self._command = command

    def file(self, path: str) -> bytes | None:
        """Return a file of the site; None where it has none of that path."""
        if path in PAGE:
            return (files("ashlar.explore") / "page" / path).read_bytes()
        if path == "data/site.js":
            return _script("site", self._described())
        if found := _TREE.fullmatch(path):
            return self._tree(found[1], found[2])
        if found := _PACK.fullmatch(path):
            return self._pack(found[1], found[2])
        return None

    def paths(self, on_tree: Callable[[str], None]) -> Iterator[str]:
        """Yield the path of each file, after every tree has been made.

        Args:
            on_tree: Is told what is being rendered.
        """
        yield from (*PAGE, "data/site.js")
        trees = [(v, choice) for v in self._trees.versions.values() for choice in v.choices]
        for number, (version, choice) in enumerate(trees, 1):
            on_tree(f"Rendering {number} of {len(trees)}: {version.name} {choice} …")
            self._trees.tree(version.name, choice)
            yield f"data/tree/{version.name}/{choice}.js"
        for pack in sorted({key[:_PACK_DIGITS] for key in self._trees.contents}):
            on_tree(f"Highlighting {pack} …")
            yield f"data/text/{pack}.js"
            yield f"data/colours/{pack}.js"

    def _described(self) -> dict[str, object]:
        return {
            "start": self._start,
            "command": self._command,
            "packDigits": _PACK_DIGITS,
            "versions": [_version(each) for each in self._trees.versions.values()],
        }

    def _tree(self, name: str, choice: str) -> bytes | None:
        try:
            tree = self._trees.tree(name, choice)
        except KeyError:
            return None
        listed = {path: [leaf.key, leaf.lines] for path, leaf in tree.items()}
        return _script(f"tree/{name}/{choice}", listed)

    def _pack(self, kind: str, pack: str) -> bytes:
        contents = {
            key: content
            for key, content in list(self._trees.contents.items())
            if key.startswith(pack)
        }
        if kind == "text":
            return _script(f"text/{pack}", {key: each.text for key, each in contents.items()})
        coloured = {
            key: colours_of(content.path, content.text)
            for key, content in contents.items()
            if content.text is not None
        }
        return _script(f"colours/{pack}", coloured)


def _version(version: Version) -> dict[str, object]:
    options = [
        {"label": each.label, "text": each.text, "on": each.default, "service": each.is_service}
        for each in version.options
    ]
    return {"name": version.name, "release": version.is_release, "options": options}


def _script(name: str, data: object) -> bytes:
    told = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"explore.take({json.dumps(name)},{told})\n".encode("utf-8", "replace")
