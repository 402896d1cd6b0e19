"""Generated requests are for those who ask for them, with `uv run pytest -m schema`."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the plain suite the second that importing schemathesis takes in every worker."""
    ours = collection_path.name == "test_schema.py"
    return True if ours and "not schema" in config.getoption("markexpr") else None
