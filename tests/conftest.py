"""The base of every test of the factory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

from tests.checkout import GIT_ENVIRONMENT, ROOT
from tests.combinations import COMBINATIONS, OLDEST_PYTHON, PYTHONS, Combination
from tests.projects import Run
from tests.terminals import Terminal

RUN_FOLDER = pytest.StashKey[Path]()
RUN_FOLDER_VARIABLE = "ASHLAR_RUN_FOLDER"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a session choose what it checks and where it keeps and reports it."""
    group = parser.getgroup("ashlar")
    group.addoption(
        "--combination",
        action="append",
        choices=[each.id for each in COMBINATIONS],
        help="check only this rendered combination (may be repeated)",
    )
    group.addoption(
        "--interpreter",
        default=OLDEST_PYTHON,
        choices=PYTHONS,
        help="the version of Python that rendered projects use",
    )
    group.addoption(
        "--run-folder",
        type=Path,
        help="keep snapshots and rendered projects here, and take them from here if they are there",
    )

    group.addoption(
        "--reports", type=Path, help="write the reports of rendered projects' own tests here"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have a folder for the run; what xdist starts finds it in the environment.

    It is open to other users, unlike pytest's own: the embedded server's tests become some.
    """
    given: Path | None = config.getoption("--run-folder")
    told = os.environ.get(RUN_FOLDER_VARIABLE)
    if given is None and told is None:
        made = Path(tempfile.mkdtemp(prefix="ashlar-"))
        made.chmod(0o755)
        os.environ[RUN_FOLDER_VARIABLE] = told = str(made)
        config.add_cleanup(lambda: shutil.rmtree(made, ignore_errors=True))
    config.stash[RUN_FOLDER] = Path(given or told or "").resolve()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the combinations that are not asked for."""
    chosen: list[str] | None = config.getoption("--combination")
    if chosen is None:
        return
    for item in list(items):
        callspec = getattr(item, "callspec", None)
        combination = callspec.params.get("combination") if callspec else None
        if isinstance(combination, Combination) and combination.id not in chosen:
            items.remove(item)
            config.hook.pytest_deselected(items=[item])


@pytest.fixture(scope="session", autouse=True)
def _hermetic(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep this machine's settings out: Copier's override even computed answers."""
    settings = tmp_path_factory.mktemp("copier") / "settings.yml"
    settings.write_text("{}\n")
    os.environ["COPIER_SETTINGS_PATH"] = str(settings)
    os.environ.update(GIT_ENVIRONMENT)
    # What a test starts with this Python finds the command, too.
    os.environ["PYTHONPATH"] = str(ROOT / "src")


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Compile each piece of Jinja once a process: Copier does so for every part of every path."""
    compile_ = Environment.compile
    compiled: dict[Hashable, Any] = {}

    def remember(self: Environment, source: Any, *arguments: Any, **options: Any) -> Any:
        how = (self.trim_blocks, self.lstrip_blocks, self.undefined, *sorted(self.extensions))
        key = (source, arguments, *sorted(options.items()), how)
        if not isinstance(source, str):
            return compile_(self, source, *arguments, **options)
        if key not in compiled:
            compiled[key] = compile_(self, source, *arguments, **options)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", remember)
        yield


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """The folder that all processes of this run share."""
    return Run(pytestconfig.stash[RUN_FOLDER])


@pytest.fixture(scope="session")
def template(run: Run) -> Path:
    """A snapshot of this repository, committed and tagged."""
    return run.template()


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> str:
    """The version of Python that rendered projects use."""
    version: str = request.config.getoption("--interpreter")
    return version


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Programs to end after the test, whatever became of it."""
    started: list[Terminal] = []
    yield started
    for terminal in started:
        terminal.process.close(force=True)
