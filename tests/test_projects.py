"""The folder that combinations take turns in holds one of them, and caches of equal files."""

from __future__ import annotations

from pathlib import Path

from tests.projects import replace_files, tree
from tests.updating import write


def test_replace_files_leaves_nothing_of_the_files_that_were_there(tmp_path: Path) -> None:
    before, after, folder = tmp_path / "before", tmp_path / "after", tmp_path / "folder"
    write(before, {"same.py": "1", "changed.py": "1", "gone.py": "1", "redis/cache.py": "1"})
    write(after, {"same.py": "1", "changed.py": "2", "stripe/pay.py": "1"})
    replace_files(folder, before)
    made = {"__pycache__/same.pyc": "", "redis/__pycache__/cache.pyc": "", ".git/HEAD": ""}
    write(folder, made | {".env": "", "uv.lock": "", ".data/postgres/PG_VERSION": ""})
    since = (folder / "same.py").stat().st_mtime_ns

    replace_files(folder, after)

    kept = {"__pycache__/same.pyc": b"", ".git/HEAD": b""}
    assert tree(folder, without=()) == tree(after) | kept
    assert not (folder / "redis").exists()
    assert (folder / "same.py").stat().st_mtime_ns == since
