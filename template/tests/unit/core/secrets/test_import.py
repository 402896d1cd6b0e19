"""The cost of importing the core, and that migrations see its table."""

import json
import subprocess
import sys

import pytest

# Asked of a fresh interpreter, and of one alone, since a start is what costs here.
QUESTIONS = """
import importlib, json, pkgutil, sys
from app.models.domain import load_metadata
seen = sorted(load_metadata().tables)
import app, app.core.secrets, app.core.secrets.rotation
early = "cryptography" in sys.modules
for module in pkgutil.walk_packages(app.__path__, "app."):
    importlib.import_module(module.name)
print(json.dumps([early, seen, sorted(load_metadata().tables)]))
"""


@pytest.mark.process
def test_encryption_is_loaded_late_and_every_declared_table_is_seen_by_migrations() -> None:
    done = subprocess.run([sys.executable, "-c", QUESTIONS], capture_output=True, text=True, check=True)
    early, seen, everything = json.loads(done.stdout)
    assert not early
    assert "secrets" in seen
    assert seen == everything
