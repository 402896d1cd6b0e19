"""The embedded server under another user than the one who runs the tests: nobody for root, and back."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

import app.core.exceptions
import devtools.embedded_postgres as package
from devtools.embedded_postgres import embedded_postgres, readable
from devtools.embedded_postgres.binaries import Installation, find_installation
from devtools.embedded_postgres.identity import server_identity
from devtools.embedded_postgres.readable import runnable_by

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

ORDINARY_USER = """
import os, sys
from pathlib import Path
from devtools.embedded_postgres import embedded_postgres
for _ in range(2):
    with embedded_postgres(Path(sys.argv[1]), bin_folder=Path(sys.argv[2])) as server:
        print(os.geteuid(), server.socket_folder.stat().st_uid)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of root's that everybody may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def python_for_everybody(uid: int) -> Path:
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        question = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(question, user=uid, cwd="/", capture_output=True, check=False).returncode == 0:
                return Path(python)
        except OSError:
            continue
    pytest.skip("there is no Python that an ordinary user can run")


def test_an_ordinary_user(open_folder: Path) -> None:
    identity = server_identity()
    python = python_for_everybody(identity.uid)
    # The package with what it imports, alone: it needs nothing but the standard library.
    (open_folder / "app" / "core").mkdir(parents=True)
    for module in (package, app.core.exceptions):
        source = Path(str(module.__file__)).parent
        shutil.copytree(source, open_folder.joinpath(*module.__name__.split(".")))
    core = Path(str(app.core.exceptions.__file__)).parents[1]
    shutil.copy(core / "redaction.py", open_folder / "app" / "core")
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, identity.uid, identity.gid)

    done = subprocess.run(
        [python, "-c", ORDINARY_USER, home / ".data", runnable_by(identity, find_installation(None)).bin_folder],
        user=identity.uid,
        group=identity.gid,
        extra_groups=[],
        cwd=open_folder,
        env={"PYTHONPATH": str(open_folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"{identity.uid} {identity.uid}\n" * 2


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
    monkeypatch.setattr(readable, "CACHE", cache)
    found = find_installation(None)
    hidden = hide(found, tmp_path)
    (cache / "building-killed").mkdir(parents=True)

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
    return Installation(bin_folder=target / "bin", version=found.version, source=found.source)
