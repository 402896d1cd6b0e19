"""A release is made whole or refused with a reason, and every one can be updated from."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest

from tests.checkout import ROOT, commit, git, is_rendered, take_snapshot, tracked_files
from tests.combinations import BARE, FULL, Combination
from tests.projects import keep_in_git, render, tree, update_project
from tests.releases import (
    ReleaseRefusedError,
    asked_questions,
    release,
    releases,
    rendered_paths,
)
from tests.updating import renders_at_hand, run_update

DAY = datetime.date(2026, 11, 21)
CURRENT = "1000.0.0"
RELEASES = releases(ROOT)
VERSIONS = list(RELEASES)

ENTRY = "## Unreleased\n\nBetter.\n\n### What an update will do\n\nAdd a file.\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of this repository with 1.0.0 released, and an entry for the next version."""
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "Test")
    root = tmp_path / "checkout"
    take_snapshot(root)
    git(root, "tag", "--delete", *git(root, "tag").split())
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text()
    changelog.write_text(text.replace("## Unreleased\n", ENTRY + "\n## 0.0.1\n", 1))
    commit(root, "The next version")
    release(root, "1.0.0", today=DAY)
    changelog.write_text(changelog.read_text().replace("## Unreleased\n", ENTRY, 1))
    commit(root, "The version after it")
    return root


def test_a_release_is_a_version_a_dated_entry_a_commit_and_a_tag(checkout: Path) -> None:
    release(checkout, "1.1.0", today=DAY)
    assert list(releases(checkout)) == ["1.0.0", "1.1.0"]
    git(checkout, "tag", "--delete", "1.1.0")
    assert list(releases(checkout)) == ["1.0.0", "1.1.0"], "a clone can come without tags"
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "log", "-1", "--format=%s %D").startswith("Release 1.1.0 HEAD")
    assert '\nversion = "1.1.0"\n' in (checkout / "pyproject.toml").read_text()
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert f"## Unreleased\n\n## 1.1.0 ({DAY})\n\nBetter." in changelog


@pytest.mark.parametrize("path", ["src/app/main.py", "pyproject.toml.jinja"])
def test_a_path_that_is_gone_must_be_named(checkout: Path, path: str) -> None:
    git(checkout, "mv", f"template/{path}", f"template/renamed_{Path(path).name}")
    commit(checkout, "Rename a file")
    rendered = path.removesuffix(".jinja")
    with pytest.raises(ReleaseRefusedError, match=rf"Gone since 1\.0\.0.*: {rendered}\."):
        release(checkout, "1.1.0", today=DAY)
    changelog = checkout / "CHANGELOG.md"
    named = f"`{rendered}` is called otherwise now.\n"
    changelog.write_text(changelog.read_text().replace("Add a file.\n", named, 1))
    commit(checkout, "Say so")
    release(checkout, "1.1.0", today=DAY)


def test_a_question_that_is_gone_must_be_named(checkout: Path) -> None:
    questions = checkout / "copier.yml"
    questions.write_text(questions.read_text().replace("\ninclude_example:\n", "\nexample:\n"))
    commit(checkout, "Rename a question")
    with pytest.raises(ReleaseRefusedError, match=r": include_example\."):
        release(checkout, "1.1.0", today=DAY)


@pytest.mark.parametrize(
    ("version", "rule"),
    [
        ("1.0.0", "not after"),
        ("0.9", "not after"),
        ("v1.1.0", "normal form"),
        ("1.1.0-rc1", "normal form: write 1.1.0rc1"),
        ("next", "no PEP 440 version"),
        ("", "no PEP 440 version"),
    ],
)
def test_a_version_is_refused_with_the_rule(checkout: Path, version: str, rule: str) -> None:
    with pytest.raises(ReleaseRefusedError, match=rule):
        release(checkout, version, today=DAY)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("## Unreleased\n", "", "nothing under"),
        (ENTRY, "## Unreleased\n", "nothing under"),
        ("### What an update will do\n", "", "add the section"),
    ],
)
def test_an_entry_is_asked_for(checkout: Path, old: str, new: str, rule: str) -> None:
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(old, new, 1))
    commit(checkout, "Spoil the changelog")
    before = git(checkout, "rev-parse", "HEAD")
    with pytest.raises(ReleaseRefusedError, match=rule):
        release(checkout, "1.1.0", today=DAY)
    assert git(checkout, "rev-parse", "HEAD") == before
    assert git(checkout, "status", "--porcelain") == ""


def test_a_dirty_tree_is_refused(checkout: Path) -> None:
    (checkout / "template/src/app/main.py").write_text("")
    with pytest.raises(ReleaseRefusedError, match="commit or stash"):
        release(checkout, "1.1.0", today=DAY)


def test_this_checkout_names_what_is_gone_since_its_last_release() -> None:
    """The commit that removes a path fails here, before a release is refused for it."""
    if not RELEASES:
        pytest.skip("nothing has been released that this checkout knows of")
    now = {
        str(path.relative_to("template")).removesuffix(".jinja")
        for path in tracked_files()
        if path.is_relative_to("template")
    }
    gone = rendered_paths(ROOT, RELEASES[VERSIONS[-1]]) - now
    changelog = (ROOT / "CHANGELOG.md").read_text()
    promised = changelog.partition("## Unreleased\n")[2].partition("\n## ")[0]
    assert [path for path in sorted(gone) if f"`{path}`" not in promised] == []


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template repository with every release, and the work tree as the latest version."""
    root = tmp_path_factory.mktemp("history") / "template"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    for version, released in RELEASES.items():
        _empty(root)
        archive = root.with_name(f"{version}.tar")
        paths = ("copier.yml", "template")
        command = ["git", "-c", "safe.directory=*", "archive", f"--output={archive}", released]
        subprocess.run([*command, *paths], cwd=ROOT, check=True)
        with tarfile.open(archive) as packed:
            packed.extractall(root, filter="data")
        commit(root, f"Release {version}", tag=version)
    _empty(root)
    snapshot = root.with_name("snapshot")
    take_snapshot(snapshot, of=is_rendered)
    shutil.copytree(
        snapshot, root, symlinks=True, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True
    )
    commit(root, "As it stands", tag=CURRENT)
    return root


def _empty(root: Path) -> None:
    (root / "copier.yml").unlink(missing_ok=True)
    shutil.rmtree(root / "template", ignore_errors=True)


# What an update between two releases does changes seldom: theirs do not.
STEPS = [
    *(pytest.param(*each, marks=pytest.mark.long) for each in pairwise(VERSIONS)),
    *((each, CURRENT) for each in VERSIONS),
]


@pytest.mark.parametrize("combination", [FULL, BARE], ids=lambda each: each.id)
@pytest.mark.parametrize(("old", "new"), STEPS)
def test_a_release_can_be_updated_to_the_next_and_to_what_is_to_come(
    history: Path, tmp_path: Path, combination: Combination, old: str, new: str
) -> None:
    known = asked_questions(ROOT, RELEASES[old])
    answers = {name: on for name, on in combination.answers.items() if name in known}
    project, fresh, other = (tmp_path / each for each in ("project", "fresh", "other"))
    render(history, project, answers, version=old)
    render(history, fresh, answers, version=new)
    keep_in_git(project)
    shutil.copytree(project, other)
    update_project(project, {}, version=new)
    with renders_at_hand(other, fresh):
        run_update(other, to=new)
    updated, by_ashlar, expected = (tree(each) for each in (project, other, fresh))
    for files in (updated, by_ashlar, expected):
        files.pop("migrations/versions/0001_initial.py", None)
    assert updated == expected
    assert by_ashlar == expected
