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
# Some Pythons freeze a few objects of their own.
before = gc.get_freeze_count()
asgi.create_app()
print(json.dumps([gc.get_freeze_count() - before, gc.isenabled(), gc.get_threshold()[0]]))
"""


@pytest.mark.usefixtures("project")
def test_create_app_sets_what_imports_make_aside_from_garbage_collection() -> None:
    ended = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, check=True, timeout=60)
    frozen, enabled, threshold = json.loads(ended.stdout)

    assert frozen > 50_000
    assert enabled
    assert threshold > gc.get_threshold()[0]
