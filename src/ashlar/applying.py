"""Bringing a merge into the work tree and the index, by way of the journal."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.git import Entry, environment
from ashlar.journal import Change, InTheWayError, Journal, Plan, digest
from ashlar.merging import Merge
from ashlar.project import Project
from ashlar.staging import AFTER, BEFORE, index_after, keep_states, stage

LOCK_FILE = "uv.lock"


def prepare(project: Project, merge: Merge, journal: Journal, *, title: str, scratch: Path) -> None:
    """Lay all new files ready, keep both states, and open the journal; no file has changed yet.

    Args:
        project: The project.
        merge: What becomes of it.
        journal: The journal of its work tree.
        title: What to call the change.
        scratch: A folder for files in between.

    Raises:
        RefusedError: Something that git does not have would be overwritten.
    """
    git, prefix = project.git, project.prefix
    # The record of answers comes last: until then, the project is on its old version.
    paths = sorted(merge.changed, key=lambda path: (path == project.answers_file, path))
    _require_untouched(project, {path: merge.before.get(path) for path in paths}, scratch)
    after = {prefix + path: merge.after[path] for path in paths if path in merge.after}
    git.check_out(after, scratch / "after", scratch)
    (journal.folder / "new").mkdir()
    changes = []
    for number, path in enumerate(paths):
        full, ready = prefix + path, journal.ready(number)
        if full in after:
            (scratch / "after" / full).replace(ready)
        changes.append(Change(full, digest(project.top / full), digest(ready)))
    keep_states(project, after, paths, title=title, scratch=scratch)
    journal.begin(
        Plan(
            head=project.head,
            title=title,
            changes=changes,
            index=index_after(project, merge, paths),
            lock=LOCK_FILE in merge.before
            and merge.before.get("pyproject.toml") != merge.after.get("pyproject.toml")
            and "pyproject.toml" not in merge.conflicts,
        )
    )


def finish(project: Project, journal: Journal) -> str:
    """Do what the journal says, from wherever it stands; return what is left to say.

    Raises:
        RefusedError: It cannot be done; the message says whether it is undone.
    """
    plan = journal.plan
    try:
        for _ in journal.steps():
            pass
        stage(project, journal)
    except InTheWayError as error:
        if project.head != plan.head:
            journal.close()
            return (
                f"{plan.title} was interrupted, you have committed since, and {error} is another: "
                f"the rest of it was left. {BEFORE} and {AFTER} have both states."
            )
        kept = journal.undo()
        journal.close()
        raise RefusedError(
            f"{error} has changed while {plan.title} was under way: the update was undone, "
            f"and {', '.join(sorted({str(error), *kept}))} left as it is.",
            next_step="Commit or stash that, then update again.",
        ) from error
    except OSError as error:
        raise _broken_off(journal, plan, error) from error
    said = _lock(project) if plan.lock else ""
    journal.close()
    return said


def _broken_off(journal: Journal, plan: Plan, error: OSError) -> RefusedError:
    """Undo what can be undone after the system has refused something."""
    reason = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
    try:
        journal.undo()
        journal.close()
    except OSError:
        return RefusedError(
            f"{plan.title} stands half-way: {reason}. Nothing of yours is lost.",
            next_step="Make room or give access, then run this again: it finishes or undoes.",
        )
    return RefusedError(
        f"{plan.title} was undone: {reason}.",
        next_step="Make room or give access, then update again.",
    )


def _require_untouched(project: Project, before: dict[str, Entry | None], scratch: Path) -> None:
    """Check that what will change is what git has: some changes are hidden from `git status`."""
    there = {project.prefix + path: entry for path, entry in before.items() if entry}
    project.git.check_out(there, scratch / "before", scratch)
    listed = project.git.paths("ls-files", "-t", "-z", "--", project.prefix or ".")
    absent = {line[2:] for line in listed if line.startswith("S ")} & there.keys()
    if absent:
        raise RefusedError(
            f"{_some(absent)} would change, and this sparse checkout leaves that out.",
            next_step="Run `git sparse-checkout disable` for the update.",
        )
    edited = [
        path
        for path, entry in there.items()
        if (found := digest(project.top / path)) != digest(scratch / "before" / path)
        # Not as a checkout would write it, and yet what git would store of it may be the same.
        and (
            found is None
            or project.git.text("hash-object", "--path", path, "--", project.top / path)
            != entry.blob
        )
    ]
    if edited:
        raise RefusedError(
            f"{_some(edited)} differs from what git has, though `git status` does not say so.",
            next_step="Run `git update-index --no-assume-unchanged --no-skip-worktree` on it, and "
            "commit or stash what it shows.",
        )
    new = [project.prefix + path for path, entry in before.items() if not entry]
    blocked = {path for path in new if _is_blocked(project.top, path, there)}
    if blocked:
        raise RefusedError(
            f"{_some(blocked)} is in the way, and git does not have it.",
            next_step="Commit it, or move it elsewhere.",
        )


def _is_blocked(top: Path, path: str, tracked: dict[str, Entry]) -> bool:
    at = top / path
    if at.is_symlink() or (at.exists() and not at.is_dir()):
        return True
    if at.is_dir():
        inside = {each.relative_to(top).as_posix() for each in at.rglob("*") if not each.is_dir()}
        return not inside <= tracked.keys()
    for parent in at.relative_to(top).parents[:-1]:
        found = top / parent
        if found.is_symlink() or (found.is_file() and parent.as_posix() not in tracked):
            return True
    return False


def _some(paths: set[str] | list[str]) -> str:
    shown = sorted(paths)[:3]
    return ", ".join(shown) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _lock(project: Project) -> str:
    """Refresh the lock file; return what is wrong when that cannot be done."""
    kept = {name: value for name, value in environment().items() if name != "VIRTUAL_ENV"}
    try:
        ended = subprocess.run(
            ["uv", "lock", "--quiet"],
            cwd=project.folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return f"{LOCK_FILE} is as it was: uv is not here. Run `uv lock` where it is."
    if ended.returncode:
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        return f"{LOCK_FILE} is as it was: {said[0] if said else 'uv failed'}. Run `uv lock`."
    return ""
