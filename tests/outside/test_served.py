"""The server that the other tests of this folder stand on."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.outside.serving import Databases, served
from tests.projects import Project


def test_app_serve_answers_on_a_migrated_database(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    with (
        served(full, postgres.create(), tmp_path / "log") as server,
        urllib.request.urlopen(f"{server.url}/api/v1/health/ready", timeout=30) as answer,
    ):
        assert json.load(answer)["status"] == "healthy"
