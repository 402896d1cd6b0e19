"""Writing what was planned: the files, the changes of others, and then the migration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.git import environment
from ashlar.resource.planning import Plan


def write_resource(plan: Plan) -> str:
    """Write the files, and have the project write the migration; return the path of that.

    Raises:
        RefusedError: The migration cannot be written. The files are there.
        OSError: A file cannot be written. None is there.
    """
    folder = plan.project.folder
    # What was there is replaced at the end, each file as a whole; the wiring is the last.
    beside = {f"{path}.new": after for path, (_, after) in plan.changed.items()}
    written: list[Path] = []
    try:
        for path, text in (plan.new | beside).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            written.append(target)
            target.write_text(text, encoding="utf-8", newline="")
        for path in plan.changed:
            shutil.copymode(folder / path, folder / f"{path}.new")
            (folder / f"{path}.new").replace(folder / path)
    except BaseException:
        for target in written:
            target.unlink(missing_ok=True)
        raise
    return os.path.relpath(_write_migration(plan, folder), folder)


def _write_migration(plan: Plan, folder: Path) -> str:
    kept = {name: value for name, value in environment().items() if name != "VIRTUAL_ENV"}
    command = f"`{plan.migrate_typed}`"
    try:
        ended = subprocess.run(
            plan.migrate,
            cwd=folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except (FileNotFoundError, KeyboardInterrupt) as error:
        cause = "interrupted" if isinstance(error, KeyboardInterrupt) else "uv is not here"
        raise _unfinished(cause, f"Run {command}.") from None
    said = [line.strip() for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    told = {
        start: line for line in said for start in ("error: ", "next: ") if line.startswith(start)
    }
    # An `.env` may have been written, too.
    wrote = [line.removeprefix("wrote ") for line in said if line.startswith("wrote ")]
    found = [path for path in wrote if path.endswith(".py")]
    if not found:
        cause = told.get("error: ", said[-1] if said else "it ended without a word")
        step = told.get("next: ", "").removeprefix("next: ")
        raise _unfinished(cause.removeprefix("error: "), f"{step} Then run {command}.".lstrip())
    return found[-1]


def _unfinished(cause: str, next_step: str) -> RefusedError:
    return RefusedError(
        f"The files are written, and the migration is not: {cause.rstrip('.')}.",
        next_step=next_step,
    )


def lines_of(plan: Plan, migration: str) -> Iterator[str]:
    """Yield what is said of a resource: of a written one with its migration, else of a plan."""
    for path, text in plan.new.items():
        yield f"add       {path} ({len(text.splitlines())} lines)"
    for path in plan.changed:
        yield f"change    {path}"
    if migration:
        yield f"add       {migration}"
        yield "\nNext:"
        steps = {
            "git diff": "shows how it is wired; read the migration, too",
            "uv run app db upgrade": "applies the migration",
            f"uv run pytest {plan.resource.paths['tests']}": "",
        }
        yield from (f"  {command:36}{purpose}".rstrip() for command, purpose in steps.items())
    else:
        yield f"\n{plan.difference}\n`{plan.migrate_typed}` would write the migration."
        yield "Nothing was written: this was a dry run."
