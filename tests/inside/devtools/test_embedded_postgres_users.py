"""The embedded server of root, which runs as `nobody`."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from devtools.embedded_postgres import embedded_postgres, programs
from devtools.embedded_postgres.programs import Installation, find_installation, runnable_by, server_identity

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of root's that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_root_changes_no_permissions_of_folders_it_did_not_make(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    before = {folder: folder.stat().st_mode for folder in tmp_path.parents}
    with embedded_postgres(tmp_path / "project" / ".data", durable=False) as server:

        async def user() -> object:
            connection = await asyncpg.connect(host=str(server.socket_folder), port=5432, user="postgres")
            try:
                return await connection.fetchval("SELECT pg_read_file('/proc/self/status') ~ 'Uid:\\s0'")
            finally:
                await connection.close()

        assert asyncio.run(user()) is False
    assert {folder: folder.stat().st_mode for folder in tmp_path.parents} == before
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    (data,) = tmp_path.glob("project/.data/*/data")
    assert data.stat().st_uid == server_identity().uid


def test_programs_that_only_root_can_reach_are_copied_once(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_folder / "cache"
    monkeypatch.setattr(programs, "CACHE", cache)
    found = find_installation(None)
    hidden = hide(found, tmp_path)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: runnable_by(server_identity(), hidden), range(2))

    assert first == second
    assert first.bin_folder.is_relative_to(cache)
    assert first.version == found.version
    everything = [first.bin_folder, *first.bin_folder.parents[1].rglob("*")]
    assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in everything)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [first.bin_folder.relative_to(cache).parts[0]]


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def hide(found: Installation, folder: Path) -> Installation:
    """The same programs at a place that only root can enter."""
    prefix = found.bin_folder.parent
    site = folder / "site packages"
    target = site / prefix.parent.name / prefix.name
    for name in ("bin", "lib", "share"):
        shutil.copytree(prefix / name, target / name, copy_function=link_or_copy)
    for libraries in prefix.parents[1].glob(f"{prefix.parent.name}.libs"):
        shutil.copytree(libraries, site / libraries.name, copy_function=link_or_copy)
    folder.chmod(0o700)
    return found._replace(bin_folder=target / "bin")
