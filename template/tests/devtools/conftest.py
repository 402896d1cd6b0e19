"""Tests of the embedded server start and kill servers of their own, again and again; most share a cluster."""

from pathlib import Path

import pytest

from devtools.embedded_postgres import embedded_postgres
from tests.devtools.embedded_servers import query


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name.startswith("test_embedded_postgres"):
            item.add_marker(pytest.mark.process)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped cluster with a row in it, in a path that is not plain ASCII and too long for a socket.

    Every test finds it stopped and leaves it so: creating one per test would cost most of the time.
    """
    folder = tmp_path_factory.mktemp("embedded") / "My Prôject 🐘 'x'" / ("long" * 30) / ".data"
    with embedded_postgres(folder, durable=False) as server:
        query(server, "CREATE TABLE kept (answer int)")
        query(server, "INSERT INTO kept VALUES (42)")
    return folder
