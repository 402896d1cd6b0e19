"""The index and the refs of an update: what git knows of it before and after."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.git import Entry, Git, index_lines
from ashlar.journal import Journal
from ashlar.merging import Merge
from ashlar.project import Project

BEFORE, AFTER = "refs/ashlar/before", "refs/ashlar/after"

_WAIT_SECONDS = 2.0


def keep_states(
    project: Project, after: dict[str, Entry], paths: list[str], *, title: str, scratch: Path
) -> None:
    """Keep the commit that is there, and one of what becomes of it, under refs of their own."""
    git = project.git
    index = scratch / "after.index"
    apart = Git(git.folder, {"GIT_INDEX_FILE": str(index)})
    apart.raw("read-tree", project.head)
    gone = Entry("0", "0" * len(project.head))
    wanted = {project.prefix + path: after.get(project.prefix + path, gone) for path in paths}
    apart.raw("update-index", "-z", "--index-info", stdin=index_lines(wanted))
    commit = git.commit_tree(apart.text("write-tree"), title, project.head)
    git.raw("update-ref", BEFORE, project.head)
    git.raw("update-ref", AFTER, commit)


def index_after(project: Project, merge: Merge, paths: list[str]) -> str:
    """Return what becomes of the index: conflicts as their stages, all else as it is merged."""
    gone = Entry("0", "0" * len(project.head))
    lines = b""
    for path in sorted({*paths, *merge.conflicts}):
        full = project.prefix + path
        conflict = merge.conflicts.get(path)
        lines += index_lines({full: gone if conflict else merge.after.get(path, gone)})
        if conflict:
            for stage, entry in sorted(conflict.stages.items()):
                lines += index_lines({full: entry}, stage)
    return os.fsdecode(lines)


def stage(project: Project, journal: Journal) -> None:
    """Put the change into the index, unless it is there or the user has staged something."""
    git = project.git
    if not git.succeeds("diff-index", "--cached", "--quiet", "HEAD", "--", project.prefix or "."):
        return
    index = project.top / git.text("rev-parse", "--git-path", "index")
    lock, draft = index.with_name("index.lock"), journal.folder / "index"
    if lock.exists() and draft.exists() and lock.samefile(draft):
        # This very step was interrupted between the two renames.
        lock.unlink()
    draft.unlink(missing_ok=True)
    shutil.copyfile(index, draft)
    apart = Git(git.folder, {"GIT_INDEX_FILE": str(draft)})
    apart.raw("update-index", "-z", "--index-info", stdin=os.fsencode(journal.plan.index))
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            lock.hardlink_to(draft)
        except FileExistsError:
            if time.monotonic() > end:
                raise RefusedError(
                    f"{lock} is there: another git is at work, or was killed. The files of the "
                    "update are in place, the index is not.",
                    next_step=f"When no git runs, remove {lock}, then run the command again.",
                ) from None
            time.sleep(0.05)
        else:
            break
    lock.replace(index)
