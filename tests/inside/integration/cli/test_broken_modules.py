"""Commands of a project of which a module cannot be imported: the place, the cause, and what works without it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.conftest import CONSOLE, PROJECT
from tests.integration.cli.test_errors import LOG_LINE

# What replaces which line of which module, and what is said of it.
BROKEN = [
    ("services/users.py", "import no_such_package\n", "(ModuleNotFoundError: No module named 'no_such_package')."),
    ("repositories/users.py", "def broken(:\n", "(SyntaxError: invalid syntax (users.py, line 1))."),
    ("core/cache/__init__.py", "from app.core import no_such\n", "(ImportError: cannot import name 'no_such'"),
    ("core/config/api.py", "no_such_name()\n", "(NameError: name 'no_such_name' is not defined)."),
    ("core/config/api.py", "raise ValueError('planted')\n", "(ValueError)."),
    ("wiring.py", f"{'<' * 7} before\n", "(SyntaxError: invalid syntax (wiring.py, line 1))."),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: f"{each[0]}: {each[2]}")
@pytest.mark.parametrize("command", ["doctor", "users create"])
def test_app_names_a_module_that_cannot_be_imported(
    command: str, broken: tuple[str, str, str], project: Path, on_migrated: str
) -> None:
    file, line, cause = broken
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    module = project / "src" / "app" / file
    module.write_text(f"{line}{module.read_text()}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    ended = subprocess.run(
        [*CONSOLE, *command.split()],
        env={**environment, "PYTHONPATH": str(project / "src"), "DATABASE_URL": on_migrated},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert f"src/app/{file}, line 1" in said
    assert cause in said
    assert said.count("next: ") == said.count("failed  ") + said.count("error: ") + said.count("warning "), said
    assert not any(word in said for word in ("Traceback", "planted")), said
    assert not LOG_LINE.search(said), said
    if command == "doctor" and not file.startswith("core"):
        assert "ok      database: PostgreSQL" in said
