"""The project that a command works on, as its repository and its answers file describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from ashlar.errors import RefusedError
from ashlar.git import Entry, Git, GitError, require_git

ANSWERS_FILE = ".copier-answers.yml"


@dataclass(frozen=True)
class Answers:
    """The content of the answers file.

    Attributes:
        text: The file.
        source: Where the template is (`_src_path`).
        version: The tag or commit of it that the project is on (`_commit`).
        values: Every question's answer.
    """

    text: bytes
    source: str
    version: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Project:
    """A project in a git repository.

    Attributes:
        folder: Where it is.
        answers_file: The name of its answers file.
        top: The repository's work tree.
        prefix: The folder's path in there, empty or with a slash at its end.
        git: Git at the top.
    """

    folder: Path
    answers_file: str
    top: Path
    prefix: str
    git: Git

    @classmethod
    def open(cls, start: Path, answers_file: str = ANSWERS_FILE) -> Project:
        """Find the project that a folder is in.

        Raises:
            RefusedError: There is none, or it is not kept in git.
        """
        require_git()
        start = start.resolve()
        within = Git(start)
        if not within.succeeds("rev-parse", "--is-inside-work-tree"):
            raise RefusedError(
                f"{start} is not kept in git, which an update needs to merge.",
                next_step='Run `git init`, `git add --all` and `git commit -m "As it is"`.',
            )
        if within.text("rev-parse", "--is-inside-work-tree") != "true":
            raise RefusedError(
                f"{start} is inside of a repository, not of a work tree.",
                next_step="Run the command in the project's folder.",
            )
        top = Path(within.text("rev-parse", "--show-toplevel"))
        for folder in (start, *start.parents):
            # An update that was interrupted may have it aside; git knows it still.
            known = ("ls-files", "--error-unmatch", "--", folder / answers_file)
            if (folder / answers_file).is_file() or within.succeeds(*known):
                inside = folder.relative_to(top).as_posix()
                prefix = "" if inside == "." else f"{inside}/"
                return cls(folder, answers_file, top, prefix, Git(top))
            if folder == top:
                break
        raise RefusedError(
            f"There is no {answers_file} in {start}: nothing says what to update from.",
            next_step=f"Go to the project's folder, or take the file back from git: "
            f"`git log -- {answers_file}` has its versions.",
        )

    @property
    def state(self) -> Path:
        """The folder for what an update notes: in the git directory, of this work tree alone."""
        found = Path(self.git.text("rev-parse", "--git-path", "ashlar"))
        return (self.top / found).resolve()

    @cached_property
    def head(self) -> str:
        """The commit that the project is on.

        Raises:
            RefusedError: There is none yet.
        """
        try:
            return self.git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except GitError:
            raise RefusedError(
                "Nothing is committed yet.",
                next_step='Run `git add --all` and `git commit -m "As it is"`.',
            ) from None

    @cached_property
    def files(self) -> dict[str, Entry]:
        """The committed files of the project, by their paths in it.

        A folder below that has an answers file of the same name is another project.
        """
        below = self.prefix.rstrip("/")
        if below and not self.git.text("ls-tree", "-d", "--full-tree", self.head, below):
            return {}
        found = self.git.tree(f"{self.head}:{below}")
        others = tuple(
            path.removesuffix(self.answers_file)
            for path in found
            if path.endswith(f"/{self.answers_file}")
        )
        return {path: entry for path, entry in found.items() if not path.startswith(others)}

    @cached_property
    def answers(self) -> Answers:
        """The committed answers.

        Raises:
            RefusedError: An update could not start from them.
        """
        restore = (
            f"Take it back from git: `git log -- {self.answers_file}` has its versions, "
            f"`git checkout COMMIT -- {self.answers_file}`; then commit it."
        )
        entry = self.files.get(self.answers_file)
        if entry is None:
            raise RefusedError(
                f"{self.answers_file} is not committed.",
                next_step="Commit it: an update starts from what git has.",
            )
        text = self.git.blobs([entry.blob])[entry.blob]
        found = _parse(text)
        if found is None:
            raise RefusedError(
                f"{self.answers_file} cannot be read: it is broken or has conflicts.",
                next_step=restore,
            )
        for name in ("_src_path", "_commit"):
            if not found.get(name):
                raise RefusedError(
                    f"{self.answers_file} has no {name}: nothing says what to update from.",
                    next_step=restore,
                )
        return Answers(text, str(found["_src_path"]), str(found["_commit"]), _values(found))

    @cached_property
    def earlier_answers(self) -> Mapping[str, object] | None:
        """The answers when the version was last written, where they were others.

        They may have been edited by hand since, or an update may have changed nothing else.
        """
        path = f"{self.prefix}{self.answers_file}"
        last = self.git.text("log", "-1", "--format=%H", "-G^_commit:", self.head, "--", path)
        try:
            found = _parse(self.git.raw("show", f"{last}:{path}")) if last else None
        except GitError:
            return None
        values = _values(found) if found else None
        return values if values != self.answers.values else None

    def require_clean(self) -> None:
        """Check that git has every change to a file that it keeps.

        Raises:
            RefusedError: It does not.
        """
        changed = self.git.paths(
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=dirty",
            "--no-renames",
            "--",
            self.prefix or ".",
        )
        if changed:
            shown = ", ".join(line[3:] for line in changed[:3])
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise RefusedError(
                f"Not committed: {shown}{more}. Nothing was changed.",
                next_step="Commit it, or `git stash` it and `git stash pop` afterwards.",
            )


def _parse(text: bytes) -> dict[object, object] | None:
    try:
        found = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def _values(answers: Mapping[object, object]) -> dict[str, object]:
    return {str(name): value for name, value in answers.items() if str(name)[:1] != "_"}
