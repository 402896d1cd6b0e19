"""The objects that imports make: a process of `app serve` sets them aside from garbage collection."""

import gc
import json
import subprocess
import sys

import pytest

# In a process of its own: in this one, the application is imported already.
MAKE = """
import gc, json
from app import asgi
from app.core.exceptions import ConfigurationError
# Some Pythons freeze a few objects of their own.
before = gc.get_freeze_count()
try:
    made = type(asgi.create_app()).__name__
except ConfigurationError as err:
    made = err.error_code
print(json.dumps([made, gc.get_freeze_count() - before, gc.isenabled(), gc.get_threshold()[0]]))
"""


@pytest.mark.parametrize(("level", "made"), [("info", "FastAPI"), ("loud", "CONFIGURATION_ERROR")])
@pytest.mark.usefixtures("project")
def test_create_app_sets_what_imports_make_aside_from_garbage_collection_unless_it_fails(
    level: str, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)

    ended = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, check=True, timeout=60)
    found, frozen, enabled, threshold = json.loads(ended.stdout)

    is_made = made == "FastAPI"
    assert (found, enabled) == (made, True)
    assert (frozen > 50_000, frozen == 0) == (is_made, not is_made)
    assert (threshold > gc.get_threshold()[0]) is is_made
