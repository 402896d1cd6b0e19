"""`app.asgi`, in a process of its own: in this one, the application is imported already."""

import gc
import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("project")]

PROGRAM = """
import gc, json
from app import asgi
from app.core.exceptions import ConfigurationError
# Some Pythons freeze a few objects of their own.
before = gc.get_freeze_count()
try:
    made = type(asgi.create_app()).__name__
except ConfigurationError as err:
    made = err.error_code
facts = {"made": made, "frozen": gc.get_freeze_count() - before, "enabled": gc.isenabled()}
print(json.dumps({**facts, "threshold": gc.get_threshold()[0]}))
"""


def facts() -> dict[str, Any]:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_create_app_sets_what_imports_make_aside_from_garbage_collection() -> None:
    found = facts()

    assert found["made"] == "FastAPI"
    assert found["frozen"] > 50_000
    assert found["enabled"]
    assert found["threshold"] > gc.get_threshold()[0]


def test_create_app_that_fails_leaves_the_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")

    found = facts()

    assert (found["made"], found["frozen"], found["enabled"]) == ("CONFIGURATION_ERROR", 0, True)
