"""`app doctor` and `app update-preview`, with a stand-in for Copier that is found where Copier would be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkouts import ANSWERS, answers, commit, git, write
from tests.integration.cli.conftest import PROJECT, Run

BEGIN, END = "<" * 7, ">" * 7
CONFLICT = f"{BEGIN} before updating\nmine = 1\n=======\nyours = 1\n{END} after updating\n"

# A template is a folder for each version. Like Copier, it deletes what the newer one is without, edited or not, and
# brings nothing back that the user has deleted.
COPIER = f"""#!{sys.executable}
import shutil, sys
from pathlib import Path
command, *options = sys.argv[1:]
if command == "copy":
    version, source, target = options[options.index("--vcs-ref") + 1], *options[-2:]
    shutil.copytree(Path(source, version), target)
else:
    said = Path({ANSWERS!r}).read_text()
    source = Path(said.partition("_src_path: ")[2].partition(chr(10))[0])
    if (source / "fails").exists():
        sys.exit((source / "fails").read_text())
    old, new = (set(path.name for path in (source / each).iterdir()) for each in ("0.1.0", "0.2.0"))
    deleted = set(name for name in old if not Path(name).exists())
    for name in old - new - deleted:
        Path(name).unlink()
    for name in new - deleted:
        shutil.copy(source / "0.2.0" / name, ".")
    said = said.replace("_commit: 0.1.0", "_commit: 0.2.0")
    if any(option.startswith("use_kettle=") for option in options):
        said += "use_kettle: true" + chr(10)
    Path({ANSWERS!r}).write_text(said)
"""


@pytest.fixture(autouse=True)
def _no_repository_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may be run by a hook of git's, which says where its repository is."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def template(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template with two versions, and the program that knows it."""
    folder = tmp_path_factory.mktemp("template")
    write(folder / "0.1.0", {"same.py": "", "changed.py": "x = 1\n", "gone.py": "", "service.py": "y = 1\n"})
    write(folder / "0.2.0", {"same.py": "", "changed.py": "x = 2\n", "new.py": ""})
    programs = tmp_path_factory.mktemp("programs")
    write(programs, {"copier": COPIER})
    (programs / "copier").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/local/bin:/usr/bin:/bin")
    return folder


@pytest.fixture
def made(project: Path, template: Path) -> Path:
    """The project as its template has made it, committed."""
    files = {path.name: path.read_text() for path in (template / "0.1.0").iterdir()}
    commit(project, files | answers(template))
    return project


def test_an_update_that_takes_nothing_is_shown_file_by_file(made: Path, app_command: Run) -> None:
    before = git(made, "status", "--porcelain")

    result = app_command("update-preview")

    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        "add      new.py",
        "change   changed.py",
        "delete   gone.py",
        "delete   service.py",
        "0.1.0 → 0.2.0: add 1, change 1, delete 2",
    ]
    assert git(made, "status", "--porcelain") == before == ""
    assert (made / "gone.py").exists()


def test_an_edited_file_that_would_go_is_named_with_the_way_back(made: Path, app_command: Run) -> None:
    commit(made, {"service.py": "y = 1\nmine = 1\n"})
    write(made, {"own.py": "", "same.py": "z = 1\n"})

    result = app_command("update-preview", "--data", "use_kettle=true", "--vcs-ref", "0.2.0")

    assert result.code == 1
    assert "lose     service.py: you have edited it, and your edits would go\n" in result.out
    assert "`git checkout HEAD -- service.py` brings it back" in result.err
    assert "warning: not committed, and not in this preview: own.py, same.py" in result.err
    assert (made / "service.py").read_text() == "y = 1\nmine = 1\n"


def test_a_change_to_a_file_that_was_moved_is_named(made: Path, app_command: Run) -> None:
    (made / "changed.py").rename(made / "moved.py")
    (made / "same.py").unlink()
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "-m", "Move")

    result = app_command("update-preview")

    assert result.code == 0, result.err
    assert [line.split(maxsplit=2)[:2] for line in result.out.splitlines() if "skip " in line[:9]] == [
        ["skip", "changed.py:"]
    ]


def test_a_project_in_a_folder_of_its_repository_is_compared_alone(
    project: Path, template: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = project / "backend"
    write(inner, {path.name: path.read_text() for path in (template / "0.1.0").iterdir()})
    commit(project, {"backend/alembic.ini": "", f"backend/{ANSWERS}": answers(template)[ANSWERS]})
    monkeypatch.chdir(inner)

    result = app_command("update-preview")

    assert result.code == 0, result.err
    assert "delete   gone.py\n" in result.out


@pytest.mark.parametrize(
    ("said", "sentence", "step"),
    [
        ("Traceback\nValueError: Unknown revision: '7'", "has no version 7.", "Choose one"),
        ("Traceback\nValueError: Unknown revision: '0.1.0'", "has no version 0.1.0.", "Write the version"),
        ("ValueError: Invalid choice for 'x': 'y'", "fail: Invalid choice for 'x': 'y'. The project is", "Correct it"),
        ("You are downgrading from 2 to 1. Not supported.", "You are downgrading from 2 to 1.", "Choose a version"),
        ("Stderr:   | fatal: unable to access 'https://u:Xq7planted@h/t'", "unable to access", "Check the network"),
        ("", "fail: exit code 1", "Settle that"),
    ],
)
def test_what_copier_says_is_told_with_the_next_step(  # noqa: PLR0917
    said: str, sentence: str, step: str, template: Path, made: Path, app_command: Run
) -> None:
    write(template, {"fails": said})

    result = app_command("update-preview", "--vcs-ref", "0.2.0")

    assert result.code == 1
    assert sentence in result.err
    assert f"next: {step}" in result.err
    assert "planted" not in result.err
    assert git(made, "status", "--porcelain") == ""


def test_answers_that_copier_would_drop_are_refused(made: Path, app_command: Run) -> None:
    assert "The template does not ask for use_kettel." in app_command("update-preview", "--data=use_kettel=true").err
    assert (
        "The template takes use_kettle=maybe for true." in app_command("update-preview", "--data=use_kettle=maybe").err
    )
    assert "--data wants question=value." in app_command("update-preview", "--data=use_kettle").err


def test_where_no_update_can_start_the_preview_says_why(
    template: Path, project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error() -> str:
        result = app_command("update-preview")
        assert result.code == 1
        assert "next: " in result.err
        return result.err

    assert "This project is not kept in git" in error()
    commit(project)
    assert "There is no .copier-answers.yml" in error()
    write(project, answers(template))
    assert ".copier-answers.yml is not committed" in error()
    commit(project, answers("."))
    assert "by a relative path" in error()
    commit(project, answers(template))
    monkeypatch.setattr("app.development.updates.copier._COMMANDS", (("no-such-program",),))
    assert "Copier is not here, nor uv to fetch it." in error()


def updates(app_command: Run) -> list[str]:
    """What the doctor says about updates."""
    result = app_command("doctor")
    lines = result.out.splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if " updates: " in line or (line.startswith("        next") and " updates: " in lines[number - 1])
    ]


def test_the_doctor_has_nothing_to_say_outside_of_a_checkout(on_migrated: str, app_command: Run) -> None:
    assert updates(app_command) == []


def test_the_doctor_finds_a_project_that_is_not_in_git(on_migrated: str, project: Path, app_command: Run) -> None:
    write(project, answers("gh:someone/t"))

    assert updates(app_command)[0] == ("warning updates: this project is not kept in git, and Copier updates no other")


def test_the_doctor_is_content_with_a_project_that_can_be_updated(
    on_migrated: str, made: Path, app_command: Run
) -> None:
    assert updates(app_command) == ["ok      updates: on version 0.1.0 of the template, nothing left to settle"]


def test_the_doctor_finds_what_an_update_has_left(on_migrated: str, made: Path, app_command: Run) -> None:
    write(made, {"changed.py": CONFLICT, "a.rej": "", "b.rej": "", "c.rej": ""})

    result = app_command("doctor")

    assert result.code == 1
    assert "failed  updates: conflicts are left in changed.py, a.rej, b.rej and 1 more\n        next: " in result.out


def test_the_doctor_finds_why_the_next_update_would_fail(
    on_migrated: str, made: Path, template: Path, app_command: Run
) -> None:
    write(made, answers("https://me:Xq7planted@example.org/t.git", more="use_kettle: true\n"))
    (warning, step) = updates(app_command)
    assert warning.startswith("warning updates: .copier-answers.yml says that kettle is on, and nothing in src/")
    assert "--data use_kettle=false" in step

    write(made, answers("../t"))
    assert "by a relative path" in updates(app_command)[0]
    (made / ANSWERS).unlink()
    result = app_command("doctor")
    assert result.code == 0
    assert "warning updates: There is no .copier-answers.yml" in result.out


def test_a_command_that_cannot_be_read_for_conflicts_says_so(project: Path) -> None:
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    wiring = project / "src" / "app" / "wiring.py"
    wiring.write_text(f"{CONFLICT}{wiring.read_text()}")
    # Whoever measures how much the tests cover shall not count this copy.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    ended = subprocess.run(
        [sys.executable, "-c", "from app.cli import run; run()", "doctor"],
        env={**environment, "PYTHONPATH": str(project / "src")},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: {wiring}, line 1: conflicts of an update or a merge are left there.\n")
    assert "\nnext: Choose between the lines" in ended.stderr
    assert "Traceback" not in ended.stderr
