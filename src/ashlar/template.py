"""The template's repository: its versions, and which of them an update goes to."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.version import InvalidVersion, Version

from ashlar.errors import RefusedError
from ashlar.git import Git, GitError

_SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
# `user@host:path`, which ssh understands; a drive letter is nothing that runs here.
_SCP = re.compile(r"[^/:]+@[^/:]+:")


@dataclass(frozen=True)
class Release:
    """A released version.

    Attributes:
        version: Its number.
        name: The tag, or what the commit that made it calls it.
        commit: Where it is.
    """

    version: Version
    name: str
    commit: str


def expand(source: str) -> str:
    """Return the URL or path that git understands for what Copier calls a source."""
    for short, url in _SHORT.items():
        if source.startswith(short):
            path = source.removeprefix(short).strip("/")
            return f"{url}{path}" if path.endswith(".git") else f"{url}{path}.git"
    source = source.removeprefix("git+")
    hosted = ("https://github.com/", "https://gitlab.com/")
    return f"{source}.git" if source.startswith(hosted) and source[-4:] != ".git" else source


def is_path(source: str) -> bool:
    """Return whether a source is a path of this machine, rather than a URL."""
    url = expand(source)
    return "://" not in url and _SCP.match(url) is None


@dataclass(frozen=True)
class Template:
    """A template that a project was made from.

    Attributes:
        source: Where it is, as the project's answers file says.
        git: Its repository, or a copy of it.
    """

    source: str
    git: Git

    @classmethod
    def open(cls, source: str, *, answers_file: str | None, scratch: Path) -> Template:
        """Open a template: in place when it is a folder here, else as a copy.

        Args:
            source: As the answers file has it.
            answers_file: What to call that file in an error; None where `--template` named it.
            scratch: Where a copy is made.

        Raises:
            RefusedError: There is no such template, or no way to it.
        """
        where = "Name a URL or a path of its repository with --template."
        if answers_file:
            where = f"Write where the template is to _src_path in {answers_file}, and commit it."
        if not is_path(source):
            copy = scratch / "template.git"
            try:
                Git(scratch).raw("clone", "--quiet", "--bare", "--", expand(source), copy)
            except GitError as error:
                raise RefusedError(
                    f"The template at {_without_password(source)} cannot be read: {error}.",
                    next_step=f"Check the network and your access to it. If it has moved: {where}",
                ) from error
            return cls(source, Git(copy))
        path = Path(source).expanduser()
        if not path.is_absolute():
            raise RefusedError(
                f"{answers_file} names the template by a relative path, {source}.",
                next_step=where.replace(
                    "to _src_path", "as a URL or an absolute path, to _src_path"
                ),
            )
        if not path.exists():
            raise RefusedError(f"The template is no longer at {source}.", next_step=where)
        opened = cls(source, Git(path))
        try:
            opened.git.raw("rev-parse", "--git-dir")
        except (GitError, NotADirectoryError) as error:
            raise RefusedError(
                f"The template at {source} is not kept in git, or git may not read it: {error}.",
                next_step=where,
            ) from error
        return opened

    @cached_property
    def releases(self) -> Sequence[Release]:
        """The released versions, the oldest first: tags, and commits named “Release …”."""
        named = self.git.text("log", "--format=%H %s", "--grep=^Release ", "HEAD").splitlines()
        commits = {line.split()[-1]: line.split()[0] for line in named}
        tags = ("for-each-ref", "--format=%(refname:strip=2) %(*objectname) %(objectname)")
        for line in self.git.text(*tags, "refs/tags").splitlines():
            tag, commit, *_ = line.split()
            commits[tag] = commit
        found = []
        for name, commit in commits.items():
            with contextlib.suppress(InvalidVersion):
                found.append(Release(Version(name), name, commit))
        return sorted(found, key=lambda release: release.version)

    def find(self, name: str) -> str | None:
        """Return the commit of a version, tag, branch or hash; None when there is none."""
        for release in self.releases:
            if release.name == name:
                return release.commit
        try:
            return self.git.text(
                "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"
            )
        except GitError:
            return None

    def recorded(self, name: str, *, answers_file: str) -> str:
        """Return the commit that a project says it is on.

        Raises:
            RefusedError: The template does not have it.
        """
        commit = self.find(name)
        if commit is not None:
            return commit
        if self.git.text("rev-parse", "--is-shallow-repository") == "true":
            raise RefusedError(
                f"The template at {self.source} is a shallow clone without {name}.",
                next_step=f"Run `git -C {self.source} fetch --unshallow`.",
            )
        raise RefusedError(
            f"The template at {self.source} has no version {name}.",
            next_step="Write the version that this project came from to _commit in "
            f"{answers_file}, and commit it.",
        )

    def requested_any(self, name: str) -> str:
        """Return the commit of a version that was asked for.

        Raises:
            RefusedError: There is none.
        """
        commit = self.find(name)
        if commit is None:
            known = ", ".join(release.name for release in self.releases[-5:]) or "none"
            raise RefusedError(
                f"The template at {self.source} has no version {name}.",
                next_step=f"Choose a release ({known}), a branch or a commit.",
            )
        return commit

    def requested(self, name: str, *, current: str) -> str:
        """Return the commit of a version that a project on another one shall go to.

        Raises:
            RefusedError: There is none, or the project is past it.
        """
        commit = self.requested_any(name)
        if commit != current and self.git.succeeds("merge-base", "--is-ancestor", commit, current):
            raise RefusedError(
                f"{self.name(current)} is later than {name}: an update goes forward only.",
                next_step="To go back, revert the commit that updated: `git revert COMMIT`.",
            )
        return commit

    def later(self, current: str) -> list[Release]:
        """Return the releases after a commit, without pre-releases, the oldest first."""
        past = set(self.git.text("rev-list", current).splitlines())
        reached = [each.version for each in self.releases if each.commit in past]
        return [
            each
            for each in self.releases
            if each.commit not in past
            and not each.version.is_prerelease
            and (not reached or each.version > max(reached))
        ]

    def name(self, commit: str) -> str:
        """Return what a commit is called: its version, or what `git describe` says."""
        for release in reversed(self.releases):
            if release.commit == commit:
                return release.name
        return self.git.text("describe", "--tags", "--always", commit)

    def file(self, commit: str, path: str) -> str:
        """Return the text of a file at a commit, which is empty when there is none."""
        try:
            return self.git.raw("show", f"{commit}:{path}").decode(errors="replace")
        except GitError:
            return ""


def _without_password(source: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", source)
