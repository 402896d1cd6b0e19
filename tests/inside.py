"""Tests of tools, which run inside of a rendered project and are not a part of it: `tests/inside`.

They need the project's fixtures, and its users do not need them each day: CONTRIBUTING.md's
examples, the sessions of a test's transaction, servers as processes, broken modules, `app update`
and what the doctor says about updates; and drills: kills, migrators beside each other, the embedded
server, hostile values in every place of every request, and what takes a clock to see.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSIDE = Path(__file__).with_suffix("")


def add_tests_of_tools(project: Path) -> list[Path]:
    """Copy the tests into a project, those of the example where it is; return the files."""
    added = []
    example = (project / "src/app/services/items.py").exists()
    for source in sorted(INSIDE.rglob("*.py")):
        if source.name.startswith("test_items") and not example:
            continue
        target = project / "tests" / source.relative_to(INSIDE)
        if target.exists():
            raise FileExistsError(target)
        shutil.copyfile(source, target)
        added.append(target)
    return added


@contextmanager
def tools_tested_inside(project: Path) -> Iterator[None]:
    """Have the tests in a project for as long as the context lasts."""
    added = add_tests_of_tools(project)
    try:
        yield
    finally:
        for path in added:
            path.unlink()
