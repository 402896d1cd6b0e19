"""Git, run as a program: what every other module asks of it goes through here."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ashlar.errors import RefusedError

OLDEST = (2, 38)

# Hooks, pagers and signatures are for the user's own commits; nothing here makes one of those.
_CONFIGURATION = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.quotePath=false"),
    *("-c", "gc.auto=0"),
    *("-c", "advice.detachedHead=false"),
)
# What a surrounding git (a hook, an alias) says about its own repository.
_FOREIGN = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}
    | {"GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}
)
_IDENTITY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Ashlar"), ("EMAIL", "ashlar@localhost"))
}


class GitError(Exception):
    """Raised when git fails; says what git said last."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment that git and Copier run in: the caller's, without its repository."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return kept | {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"} | _IDENTITY | more


@dataclass(frozen=True)
class Entry:
    """A file of a tree.

    Attributes:
        mode: Git's, such as `100644`.
        blob: The name of its content.
    """

    mode: str
    blob: str


Tree = Mapping[str, Entry]


@dataclass(frozen=True)
class Git:
    """Git in a folder.

    Attributes:
        folder: Where it runs: a work tree, a bare repository, or any folder inside of one.
        variables: More variables of its environment, such as `GIT_INDEX_FILE`.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def raw(self, *arguments: str | Path, stdin: bytes = b"", good: Iterable[int] = (0,)) -> bytes:
        """Run a command and return what it prints.

        Args:
            arguments: The command and its arguments.
            stdin: What it reads.
            good: The exit codes that are no failure.

        Raises:
            GitError: It failed.
            RefusedError: There is no git.
        """
        try:
            ended = subprocess.run(
                ["git", *_CONFIGURATION, *arguments],
                cwd=self.folder,
                env=environment(**self.variables),
                input=stdin,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise RefusedError(
                "git is not installed, or not on the PATH.", next_step="Install git 2.38 or later."
            ) from None
        if ended.returncode not in good:
            said = [line for line in os.fsdecode(ended.stderr).splitlines() if line.strip()]
            last = next((line for line in said if line.startswith(("fatal:", "error:"))), "")
            raise GitError(last or (said[-1] if said else f"exit code {ended.returncode}"))
        return ended.stdout

    def text(self, *arguments: str | Path, stdin: bytes = b"") -> str:
        """Run a command and return what it prints, without the last line's end."""
        return os.fsdecode(self.raw(*arguments, stdin=stdin)).rstrip("\n")

    def paths(self, *arguments: str | Path) -> list[str]:
        """Run a command with `-z` among its arguments, and return the paths that it prints."""
        return [os.fsdecode(path) for path in self.raw(*arguments).split(b"\0") if path]

    def succeeds(self, *arguments: str | Path) -> bool:
        """Return whether a command ends with 0."""
        try:
            self.raw(*arguments)
        except GitError:
            return False
        return True

    def tree(self, treeish: str) -> dict[str, Entry]:
        """Return the files of a commit or tree by their paths."""
        found = {}
        for line in self.paths("ls-tree", "-r", "-z", "--full-tree", treeish):
            described, _, path = line.partition("\t")
            mode, _, blob = described.split()
            found[path] = Entry(mode, blob)
        return found

    def blobs(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of blobs by their names."""
        wanted = sorted(set(names))
        stdin = "".join(f"{name}\n" for name in wanted).encode()
        return dict(zip(wanted, _batch(self.raw("cat-file", "--batch", stdin=stdin)), strict=True))

    def check_out(self, files: Tree, folder: Path, scratch: Path) -> None:
        """Write files into a folder as they would be in the work tree, filters applied.

        Args:
            files: The files by their paths from the top of the work tree.
            folder: Where to.
            scratch: A folder in which an index is made.
        """
        apart = self._with_index(files, scratch)
        apart.raw("checkout-index", "--all", "--force", f"--prefix={folder}/")

    def write_blob(self, content: bytes) -> str:
        """Store a content and return its name."""
        return self.text("hash-object", "-w", "--stdin", stdin=content)

    def write_blobs(self, paths: Iterable[Path]) -> list[str]:
        """Store the contents of files, which must be absolute, and return their names."""
        stdin = b"".join(os.fsencode(path) + b"\n" for path in paths)
        return self.text("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=stdin).split()

    def write_tree(self, files: Tree, scratch: Path) -> str:
        """Store a tree and return its name.

        Args:
            files: Its files by their paths.
            scratch: A folder in which an index is made.
        """
        return self._with_index(files, scratch).text("write-tree")

    def _with_index(self, files: Tree, scratch: Path) -> Git:
        index = scratch / "files.index"
        index.unlink(missing_ok=True)
        apart = Git(self.folder, {**self.variables, "GIT_INDEX_FILE": str(index)})
        apart.raw("update-index", "-z", "--index-info", stdin=index_lines(files))
        return apart

    def commit_tree(self, tree: str, message: str, *parents: str) -> str:
        """Store a commit, on no branch, and return its name."""
        given = [part for parent in parents for part in ("-p", parent)]
        return self.text("commit-tree", "--no-gpg-sign", tree, "-m", message, *given)


def index_lines(files: Tree, stage: int = 0) -> bytes:
    """Return files in the form that `git update-index -z --index-info` reads."""
    return b"".join(
        os.fsencode(f"{entry.mode} {entry.blob} {stage}\t{path}\0") for path, entry in files.items()
    )


def require_git() -> None:
    """Check that git is here and new enough.

    Raises:
        RefusedError: It is not.
    """
    said = Git(Path.cwd()).text("version")
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise RefusedError(
            f"This is {said}, which cannot merge trees.", next_step="Install git 2.38 or later."
        )


def _batch(printed: bytes) -> Iterator[bytes]:
    """Take apart what `git cat-file --batch` prints."""
    at = 0
    while at < len(printed):
        end = printed.index(b"\n", at)
        size = int(printed[at:end].split()[-1])
        yield printed[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
