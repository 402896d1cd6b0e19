"""`app doctor` in a project of which a module cannot be imported."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.conftest import CONSOLE, PROJECT

# What comes first in which module, and what is said of it.
BROKEN = [
    ("services/users.py", "import no_such_package", "app.services.users, line 1", "No module named 'no_such_package'"),
    ("repositories/users.py", "def broken(:", "app.", "(SyntaxError: invalid syntax (users.py, line 1))."),
    ("core/cache/__init__.py", "from app.core import no_such", "app.core.cache, line 1", "cannot import name 'no_such'"),
    ("core/config/api.py", "no_such_name()", "app.core.config.api, line 1", "(NameError)."),
    ("core/config/api.py", "raise ValueError('planted')", "app.core.config.api, line 1", "(ValueError)."),
    ("wiring.py", f"{'<' * 7} before", "app.main, line ", "(SyntaxError: invalid syntax (wiring.py, line 1))."),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: f"{each[0]}: {each[1]}")
def test_doctor_names_a_module_that_cannot_be_imported(broken: tuple[str, ...], project: Path) -> None:
    file, line, place, cause = broken
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    module = project / "src" / "app" / file
    module.write_text(f"{line}\n{module.read_text()}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    ended = subprocess.run(
        [*CONSOLE, "doctor"],
        env={**environment, "PYTHONPATH": str(project / "src")},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    (said, step) = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (1, "")
    assert said.startswith(f"failed  code: {place}")
    assert cause in said
    assert "planted" not in said
    assert step.startswith("        next: ")
