"""The full project, its server and its databases, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.combinations import FULL
from tests.outside.serving import Databases, databases
from tests.projects import Project, Run

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have whatever stands in this folder run in the session `outside`, or `long` if it says so."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("long") is None:
            item.add_marker(pytest.mark.outside)


@pytest.fixture(scope="session")
def full(run: Run) -> Project:
    """The full project, which no test here may change."""
    return run.project(FULL)


@pytest.fixture(scope="session")
def postgres(full: Project, run: Run, worker_id: str) -> Iterator[Databases]:
    """A real PostgreSQL of this worker's own."""
    with databases(full, run.folder / "outside" / worker_id) as server:
        yield server
