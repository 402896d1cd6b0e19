"""The three-way merge: the old version, the project and the new version, by git's own means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ashlar.git import Entry, Git, Tree
from ashlar.project import Project
from ashlar.rendering import Render
from ashlar.style import Files, in_style, project_formatter

OURS = "ashlar/yours"


@dataclass(frozen=True)
class Conflict:
    """A path that git could not settle.

    Attributes:
        kind: Git's word for it, such as `contents` or `modify/delete`.
        stages: The old version's (1), the project's (2) and the new version's (3) file.
    """

    kind: str
    stages: Mapping[int, Entry]


@dataclass(frozen=True, kw_only=True)
class Merge:
    """The effect of an update on a project; paths are relative to it.

    Attributes:
        base: The old version's files, in the project's style.
        theirs: The new version's.
        before: The project's.
        after: The project's after the update; with markers where lines conflict.
        conflicts: What is left to the user.
        skipped: What the user has deleted and the template changes: it stays deleted.
        unformatted: Why the renders are not formatted as the project is.
    """

    base: Tree
    theirs: Tree
    before: Tree
    after: Tree
    conflicts: Mapping[str, Conflict] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    unformatted: str = ""

    @property
    def changed(self) -> list[str]:
        """The paths that the update touches."""
        paths = self.before.keys() | self.after.keys()
        return sorted(path for path in paths if self.before.get(path) != self.after.get(path))


def merge(project: Project, old: Render, new: Render, *, label: str, scratch: Path) -> Merge:
    """Merge what the template has changed into what is committed.

    Nothing but objects is written into the project's repository.

    Args:
        project: The project.
        old: The version it is on, with the answers it has.
        new: The version it goes to, with the new answers.
        label: What conflict markers call the new version; valid as the name of a ref.
        scratch: A folder for files in between.
    """
    git = project.git
    base, theirs = _read(old.folder), _read(new.folder)
    answers = theirs.pop(project.answers_file)
    base.pop(project.answers_file, None)
    for path in old.kept | new.kept:
        if path in base or path in project.files:
            base.pop(path, None)
            theirs.pop(path, None)
    common = {path: entry for path, entry in project.files.items() if path in base.keys() | theirs}
    contents = git.blobs(entry.blob for entry in common.values())
    head = {path: contents[entry.blob] for path, entry in common.items()}
    styled = in_style(base, theirs, head, formatter=project_formatter(project, scratch / "style"))
    before = project.files
    ours = {path: entry for path, entry in before.items() if path != project.answers_file}
    stored = [
        _store(git, render.folder, files)
        for render, files in ((old, styled.base), (new, styled.theirs))
    ]
    after, conflicts = _merge_trees(git, stored[0], ours, stored[1], label=label, scratch=scratch)
    skipped = [path for path, found in conflicts.items() if found.stages.keys() == {1, 3}]
    for path in skipped:
        del conflicts[path]
        after.pop(path, None)
    after[project.answers_file] = Entry("100644", git.write_blob(_as_head(project, answers)))
    return Merge(
        base=stored[0],
        theirs=stored[1],
        before=before,
        after=after,
        conflicts=conflicts,
        skipped=tuple(sorted(skipped)),
        unformatted=styled.unformatted,
    )


def _read(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): os.fsencode(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def _as_head(project: Project, answers: bytes) -> bytes:
    """Return the new answers file with the line ends of the one that is committed."""
    if b"\r\n" in project.answers.text:
        return answers.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return answers


def _store(git: Git, folder: Path, files: Files) -> dict[str, Entry]:
    """Store a render's files, in the style that they have by now."""
    modes = {}
    for path, content in files.items():
        at = folder / path
        if at.is_symlink():
            at.unlink()
            modes[path] = "120000"
        else:
            modes[path] = "100755" if at.stat().st_mode & 0o100 else "100644"
        at.write_bytes(content)
    names = git.write_blobs(folder.resolve() / path for path in files)
    return {path: Entry(modes[path], name) for path, name in zip(files, names, strict=True)}


def _merge_trees(
    git: Git, base: Tree, ours: Tree, theirs: Tree, *, label: str, scratch: Path
) -> tuple[dict[str, Entry], dict[str, Conflict]]:
    """Merge trees as commits: older gits take nothing else, and find the base by their parent."""
    trees = [git.write_tree(files, scratch) for files in (base, ours, theirs)]
    parent = git.commit_tree(trees[0], "The old version")
    branches = {OURS: trees[1], label: trees[2]}
    for name, tree in branches.items():
        git.raw("update-ref", f"refs/{name}", git.commit_tree(tree, name, parent))
    try:
        printed = git.raw(
            *("-c", "merge.directoryRenames=true"),
            *("-c", "diff.renameLimit=5000"),
            *("-c", "merge.renameLimit=5000"),
            *("merge-tree", "--write-tree", "--messages", "-z", OURS, label),
            good=(0, 1),
        )
    finally:
        for name in branches:
            git.raw("update-ref", "-d", f"refs/{name}")
    tree, *fields = os.fsdecode(printed).split("\0")
    stages: dict[str, dict[int, Entry]] = {}
    while fields and (line := fields.pop(0)):
        described, _, path = line.partition("\t")
        mode, blob, stage = described.split()
        stages.setdefault(path, {})[int(stage)] = Entry(mode, blob)
    kinds = _kinds(fields)
    return git.tree(tree), {
        path: Conflict(kinds.get(path, "contents"), found) for path, found in stages.items()
    }


def _kinds(fields: list[str]) -> dict[str, str]:
    """Return the kinds of conflicts by path, from messages of a count, paths, a kind and a text."""
    kinds: dict[str, str] = {}
    while len(fields) > 1:
        count = int(fields.pop(0))
        paths, kind = fields[:count], fields[count]
        del fields[: count + 2]
        if kind.startswith("CONFLICT"):
            kinds |= dict.fromkeys(paths, kind.removeprefix("CONFLICT (").rstrip(")"))
    return kinds
