"""A project's folder and environment of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.config import get_settings
from app.core.config.loading import known_variables

KEY = "n4Tq8vZr1LxW6yPb3KsD9fGh2JmC7eUa"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project, the working directory, with a valid secret key and nothing else set."""
    for name in known_variables():
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "alembic.ini").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_KEY", KEY)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()
