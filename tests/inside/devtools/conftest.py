"""A cluster that the tests of killed servers share."""

from pathlib import Path

import pytest

from devtools.embedded_postgres import embedded_postgres
from tests.devtools.embedded_servers import query


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped cluster with a row in it.

    Every test finds it stopped and leaves it so: creating one per test would cost most of the time.
    """
    folder = tmp_path_factory.mktemp("embedded")
    with embedded_postgres(folder, durable=False) as server:
        query(server, "CREATE TABLE kept (answer int)")
        query(server, "INSERT INTO kept VALUES (42)")
    return folder
