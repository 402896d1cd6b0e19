"""The workflows that make releases' tags, and that open a pull request for each release.

Their scripts are run as GitHub would run them; `gh` and `uv` are stand-ins that note what they do.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.checkout import GIT_ENVIRONMENT, ROOT, commit, git
from tests.delivery import read

RELEASE = ROOT / ".github/workflows/release.yml"
UPDATE = ROOT / "template/.github/workflows/update.yml"

GH = """#!/bin/sh
echo "gh $*" >> "$NOTES"
case "$1 $2" in
  "pr list") printf '%s' "$THERE" ;;
  "issue list") printf '%s' "$THERE" ;;
esac
"""
UV = """#!/bin/sh
case "$*" in
  *"app update"*)
    echo "the report"
    if [ "$CODE" != 1 ] && [ -n "$NEXT" ]; then
      sed -i "s/^_commit: .*/_commit: $NEXT/" .copier-answers.yml
    fi
    exit "$CODE"
    ;;
esac
"""


def script(workflow: Path) -> str:
    """Return the script of a workflow's first job."""
    job, *_ = read(workflow)["jobs"].values()
    (found,) = [step["run"] for step in job["steps"] if "run" in step]
    text: str = found
    return text


def run(workflow: Path, folder: Path, programs: Path, **variables: str) -> str:
    """Run a workflow's script in a folder; return what its stand-ins noted."""
    notes = programs / "notes"
    notes.write_text("")
    programs.joinpath("gh").write_text(GH)
    programs.joinpath("uv").write_text(UV)
    for name in ("gh", "uv"):
        (programs / name).chmod(0o755)
    environment = os.environ | GIT_ENVIRONMENT | variables
    environment |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "NOTES": str(notes),
        "GITHUB_OUTPUT": str(programs / "output"),
        "RUNNER_TEMP": str(programs),
    }
    shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script(workflow)]
    subprocess.run(shell, cwd=folder, env=environment, check=True)
    return notes.read_text()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for stand-ins."""
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """The repository that a clone pushes to."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    return tmp_path / "origin.git"


@pytest.fixture
def clone(tmp_path: Path, origin: Path) -> Path:
    """A project that names a template by a URL, with an older version than there is."""
    git(tmp_path, "clone", "--quiet", str(origin), "clone")
    clone = tmp_path / "clone"
    answers = "_commit: 1.0.0\n_src_path: https://example.org/ashlar.git\n"
    (clone / ".copier-answers.yml").write_text(answers)
    commit(clone, "Rendered")
    git(clone, "push", "--quiet", "origin", "HEAD:main")
    return clone


def test_each_release_without_a_tag_gets_one(clone: Path, origin: Path, programs: Path) -> None:
    for message in ("Release 1.0.0", "Better", "Release 1.1.0", "Release notes", "Release 2 of it"):
        commit(clone, message)
    git(clone, "tag", "1.0.0", "HEAD~3")
    before = git(clone, "rev-parse", "1.0.0")

    for said in ("released=1.1.0\n", ""):
        (programs / "output").write_text("")
        run(RELEASE, clone, programs)
        assert (programs / "output").read_text() == said

    assert git(origin, "tag").split() == ["1.1.0"]
    assert git(clone, "rev-parse", "1.0.0") == before
    assert git(origin, "log", "-1", "--format=%s", "1.1.0") == "Release 1.1.0\n"


def test_a_release_is_a_pull_request(clone: Path, origin: Path, programs: Path) -> None:
    notes = run(UPDATE, clone, programs, CODE="0", NEXT="1.1.0", THERE="")

    assert "gh pr create --title Update to 1.1.0 of the template" in notes
    assert "gh issue create" not in notes
    pushed = git(origin, "show", "template-1.1.0:.copier-answers.yml")
    assert pushed.startswith("_commit: 1.1.0\n")
    assert "the report" in (programs / "body").read_text()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CODE": "0", "NEXT": "", "THERE": ""}, []),
        ({"CODE": "0", "NEXT": "1.1.0", "THERE": "7"}, ["gh pr list"]),
        ({"CODE": "3", "NEXT": "1.1.0", "THERE": "7"}, ["gh pr list"]),
        (
            {"CODE": "3", "NEXT": "1.1.0", "THERE": ""},
            ["gh pr list", "gh issue list", "gh issue create"],
        ),
    ],
    ids=["nothing is out", "it was asked before", "as an issue", "conflicts"],
)
def test_nothing_is_asked_twice_and_conflicts_are_an_issue(
    clone: Path, origin: Path, programs: Path, variables: dict[str, str], expected: list[str]
) -> None:
    notes = run(UPDATE, clone, programs, **variables)

    assert [" ".join(line.split()[:3]) for line in notes.splitlines()] == expected
    assert git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads") == "main\n"


def test_what_may_not_be_pushed_is_an_issue(clone: Path, origin: Path, programs: Path) -> None:
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    notes = run(UPDATE, clone, programs, CODE="0", NEXT="1.1.0", THERE="")

    assert "gh pr create" not in notes
    assert "gh issue create --title Update to 1.1.0 of the template: the token may not" in notes


def test_an_update_that_is_refused_fails_the_workflow(clone: Path, programs: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run(UPDATE, clone, programs, CODE="1", NEXT="1.1.0", THERE="")


def test_a_template_of_one_machine_is_let_be(clone: Path, programs: Path) -> None:
    (clone / ".copier-answers.yml").write_text("_commit: 1.0.0\n_src_path: /srv/ashlar\n")
    assert run(UPDATE, clone, programs, CODE="1", NEXT="", THERE="") == ""
