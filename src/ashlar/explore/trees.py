"""The trees that a template's versions render to, by the options that are chosen."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.haste import hasten
from ashlar.project import ANSWERS_FILE
from ashlar.questions import FILE_NAME, Question, read_questions
from ashlar.rendering import Order, make
from ashlar.template import Template

_HASH_DIGITS = 16


@dataclass(frozen=True)
class Version:
    """A version of the template.

    Attributes:
        name: Its number, or what git calls its commit.
        commit: Where it is.
        options: Its yes-or-no questions.
        is_release: False for the state after the last release.
    """

    name: str
    commit: str
    options: tuple[Question, ...]
    is_release: bool

    @property
    def choices(self) -> Iterator[str]:
        """Every choice of its options, `0` or `1` for each of them in their order."""
        return map("".join, product("01", repeat=len(self.options)))


@dataclass(frozen=True)
class Content:
    """The content of a file, which many trees share.

    Attributes:
        path: A path that it has, which says its language.
        text: Its text; None where it is no text.
    """

    path: str
    text: str | None


@dataclass(frozen=True)
class Leaf:
    """A file of a tree.

    Attributes:
        key: The key of its content.
        lines: How many it has.
    """

    key: str
    lines: int


def list_versions(template: Template, names: Sequence[str] = ()) -> list[Version]:
    """Return the versions of a template, the newest first.

    Args:
        template: The template.
        names: Versions, branches or commits; all releases and the current state where empty.

    Raises:
        RefusedError: There is no such version.
    """
    releases = {release.commit: release.name for release in template.releases}
    if names:
        commits = [template.requested_any(name) for name in names]
    else:
        commits = list(reversed(releases))
        head = template.git.text("rev-parse", "HEAD")
        commits = [head, *commits] if head not in releases else commits
    return [
        Version(
            releases.get(commit) or template.name(commit),
            commit,
            tuple(each for each in _questions(template, commit) if each.is_bool),
            commit in releases,
        )
        for commit in dict.fromkeys(commits)
    ]


def _questions(template: Template, commit: str) -> tuple[Question, ...]:
    text = template.file(commit, FILE_NAME)
    if not text:
        raise RefusedError(
            f"{commit[:12]} of the template has no {FILE_NAME}.",
            next_step="Choose another --version.",
        )
    return read_questions(text)


class Trees:
    """Rendered trees, each made when it is first asked for; their contents are kept once."""

    def __init__(self, template: Template, versions: Iterable[Version], scratch: Path) -> None:
        """Render in `scratch`."""
        self.versions = {version.name: version for version in versions}
        self.contents: dict[str, Content] = {}
        self._template = template
        self._scratch = scratch
        self._made: dict[tuple[str, str], Mapping[str, Leaf]] = {}
        # Copier is one process's own.
        self._lock = threading.Lock()
        hasten()

    def tree(self, name: str, choice: str) -> Mapping[str, Leaf]:
        """Return the files of a version by their paths.

        Args:
            name: The version's.
            choice: `0` or `1` for each of its options.

        Raises:
            KeyError: There is no such version, or it has no such choice.
        """
        version = self.versions[name]
        if choice not in version.choices:
            raise KeyError(choice)
        with self._lock:
            if (name, choice) not in self._made:
                self._made[name, choice] = dict(self._render(version, choice))
            return self._made[name, choice]

    def _render(self, version: Version, choice: str) -> Iterator[tuple[str, Leaf]]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch)) / "my-service"
        order = Order(
            source=self._template.source,
            commit=version.commit,
            folder=str(folder),
            answers_file=ANSWERS_FILE,
            data={
                option.name: bit == "1" for option, bit in zip(version.options, choice, strict=True)
            },
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            render = make(order)
        for path in sorted(render.paths):
            yield path, self._keep(path, (folder / path).read_bytes())
        shutil.rmtree(folder.parent)

    def _keep(self, path: str, content: bytes) -> Leaf:
        # The path's ending says the language, in which equal contents may differ.
        named = f"{Path(path).suffix or Path(path).name}\0".encode()
        key = hashlib.sha256(named + content).hexdigest()[:_HASH_DIGITS]
        if key not in self.contents:
            try:
                text = content.decode()
            except UnicodeDecodeError:
                text = None
            self.contents[key] = Content(path, text)
        return Leaf(key, content.count(b"\n"))
