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
    collected = gc.get_stats()[2]["collections"]
    app = asgi.create_app()
    made = type(app).__name__
    collected = gc.get_stats()[2]["collections"] - collected
except ConfigurationError as err:
    made = err.error_code
facts = {"made": made, "collected": collected, "frozen": gc.get_freeze_count() - before, "enabled": gc.isenabled()}
print(json.dumps({**facts, "threshold": gc.get_threshold()[0]}))
"""


def facts() -> dict[str, Any]:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_what_imports_make_is_never_searched_for_garbage() -> None:
    found = facts()

    assert found["made"] == "FastAPI"
    assert found["collected"] == 0
    assert found["frozen"] > 50_000


def test_what_requests_make_is_searched_less_often_than_python_does() -> None:
    found = facts()

    assert found["enabled"]
    assert found["threshold"] > gc.get_threshold()[0]


def test_a_start_that_fails_leaves_the_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")

    found = facts()

    assert (found["made"], found["frozen"], found["enabled"]) == ("CONFIGURATION_ERROR", 0, True)
