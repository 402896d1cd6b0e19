"""`app update`, and what `app doctor` says about updates, with a template whose command is a stand-in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkouts import ANSWERS, answers, commit, git, write
from tests.integration.cli.conftest import PROJECT, Run

BEGIN, END = "<" * 7, ">" * 7
CONFLICT = f"{BEGIN} ashlar/yours\nmine = 1\n=======\nyours = 1\n{END} ashlar/0.2.0\n"

# Leaves what it was called with beside the template.
UVX = f"#!{sys.executable}\nimport os, sys\nopen(os.environ['RAN'], 'w').write(' '.join(sys.argv[1:]))\nsys.exit(3)\n"


@pytest.fixture(autouse=True)
def _no_repository_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may be run by a hook of git's, which says where its repository is."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def template(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template with a released version, and a stand-in for uvx, which shows what it would run."""
    folder = tmp_path_factory.mktemp("template")
    commit(folder, {"CHANGELOG.md": "## 0.1.0 (2026-11-21)\n"}, message="Release 0.1.0")
    git(folder, "tag", "0.1.0")
    programs = tmp_path_factory.mktemp("programs")
    write(programs, {"uvx": UVX})
    (programs / "uvx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("RAN", str(programs / "ran"))
    return folder


@pytest.fixture
def made(project: Path, template: Path) -> Path:
    """The project as its template has made it, committed."""
    commit(project, {"changed.py": "x = 1\n"} | answers(template))
    return project


def release(template: Path, version: str) -> None:
    """Release a version of the template."""
    commit(template, {"version": version}, message=f"Release {version}")


def updates(app_command: Run) -> list[str]:
    """The doctor's lines about updates."""
    result = app_command("doctor")
    lines = result.out.splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if " updates: " in line or (line.startswith("        next") and " updates: " in lines[number - 1])
    ]


def test_app_update_runs_the_command_of_the_version_updated_to(made: Path, template: Path, app_command: Run) -> None:
    def ran(*options: str) -> str:
        assert app_command("update", *options).code == 3
        return Path(os.environ["RAN"]).read_text()

    def shown(revision: str, *options: str) -> str:
        commit = git(template, "rev-parse", f"{revision}^{{commit}}").strip()
        return " ".join(["--from", f"git+file://{template}@{commit}", "ashlar update", *options])

    release(template, "0.9.0")
    git(template, "tag", "-a", "-m", "Ashlar", "0.9.0")
    release(template, "0.10.0")
    git(template, "tag", "-a", "-m", "Ashlar", "0.10.0")
    commit(template, {"next.py": ""})

    assert ran("--dry-run", "--data", "use_kettle=true") == shown("0.10.0", "--dry-run", "--data", "use_kettle=true")
    assert ran("--to", "0.9.0") == shown("0.9.0", "--to", "0.9.0")
    assert ran("--to=main") == shown("0.10.0", "--to", "main")
    git(template, "tag", "--delete", "0.1.0", "0.9.0", "0.10.0")
    assert ran() == shown("HEAD")


def test_app_update_says_what_it_cannot_reach(made: Path, app_command: Run) -> None:
    def said(*, source: str | None = None) -> str:
        if source:
            write(made, answers(source))
        result = app_command("update")
        assert result.code == 1
        assert "\nnext: " in result.err
        return result.err

    assert "the template at file:///no/such cannot be reached: " in said(source="/no/such")
    assert "planted" not in said(source="https://me:Xq7planted@127.0.0.1:1/t.git")
    (made / ANSWERS).unlink()
    assert f"no {ANSWERS} here or above names the template" in said()


def test_the_doctor_names_the_version_and_says_nothing_outside_of_a_project(
    on_migrated: str, project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert updates(app_command) == []
    write(project, answers("gh:someone/t"))
    settled = ["ok      updates: on version 0.1.0 of the template, nothing left to settle"]
    assert updates(app_command) == settled
    monkeypatch.setenv("PATH", str(project))
    assert updates(app_command) == settled


def test_the_doctor_finds_a_document_that_git_calls_unmerged(on_migrated: str, made: Path, app_command: Run) -> None:
    entry = f"100644 {git(made, 'hash-object', '-w', 'changed.py').strip()}"
    lines = "".join(f"{entry} {stage}\tguide.md\n" for stage in (2, 3))
    subprocess.run(["git", "update-index", "--index-info"], cwd=made, input=lines, text=True, check=True)  # noqa: S607

    assert updates(app_command)[0] == "failed  updates: conflicts are left in guide.md"


def test_the_doctor_finds_an_update_that_was_interrupted(on_migrated: str, made: Path, app_command: Run) -> None:
    write(made / ".git" / "ashlar", {"journal.json": '{"title": "The update 0.1.0 → 0.2.0"}'})

    assert updates(app_command) == [
        "failed  updates: The update 0.1.0 → 0.2.0 was interrupted",
        "        next: Run `app update`: it finishes or undoes it.",
    ]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (CONFLICT, "(SyntaxError: invalid syntax (wiring.py, line 1))."),
        ("import app.gone\n", "app.wiring, line 1 cannot be imported (ModuleNotFoundError: No module named 'app.gone')."),
    ],
)
def test_doctor_and_update_work_where_a_module_cannot_be_imported(broken: str, said: str, project: Path) -> None:
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    wiring = project / "src" / "app" / "wiring.py"
    wiring.write_text(f"{broken}{wiring.read_text()}")
    commit(project)
    write(project / ".git" / "ashlar", {"journal.json": '{"title": "The update 1 → 2"}'})
    # A measurement of the tests' coverage must not count this copy.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    def run(*command: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", "from app.cli import run; run()", *command],
            env={**environment, "PYTHONPATH": str(project / "src")},
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        return ended.stdout + ended.stderr

    checked = run("doctor")
    assert said in checked
    assert "updates: The update 1 → 2 was interrupted\n        next: Run `app update`" in checked
    # Which would finish an update, and needs none of what is broken.
    assert run("update").startswith(f"error: no {ANSWERS} here or above names the template")
