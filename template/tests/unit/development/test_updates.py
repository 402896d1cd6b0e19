"""What an update leaves behind is found, and what it does to each file is told apart."""

from pathlib import Path

import pytest

from app.core.exceptions import ConfigurationError
from app.development.updates.answers import read_answers, strangers
from app.development.updates.comparison import Change, compare
from app.development.updates.conflicts import unsettled
from tests.checkouts import ANSWERS, answers, commit, git, write

# Put together, so that nobody takes this file for one with conflicts.
BEGIN, END = "<" * 7, ">" * 7
CONFLICT = f"{BEGIN} before updating\nmine\n=======\nyours\n{END} after updating\n"


@pytest.fixture(autouse=True)
def _no_repository_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may be run by a hook of git's, which says where its repository is."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


def test_conflicts_are_found_and_what_only_looks_like_them_is_not(tmp_path: Path) -> None:
    found = {
        "app.py": f"x = 1\n{CONFLICT}",
        "half.toml": f"a = 1\n{END} after updating\n",
        "README.md": f"# Title\n\n{CONFLICT}",
        "of ours ä.yaml": CONFLICT.replace("before updating", "HEAD"),
        "app.py.rej": "@@ -1 +1 @@\n",
    }
    harmless = {
        "docs/updating.md": f"Markers look so:\n\n```\n{CONFLICT}```\n\nand {BEGIN} is one.\n",
        "docs/listed.md": f"1. so:\n   ~~~text\n{CONFLICT}   ~~~\n",
        "docs/heading.rst": f"Title\n{END}\n\n{BEGIN}\n",
        "mail.txt": f"{END} quoted seven times\n",
        "change.patch": "".join(f"+{line}\n" for line in CONFLICT.splitlines()),
        "code.py": f'MARK = "{BEGIN} x"\n',
    }
    commit(tmp_path, found | harmless | {".gitignore": "ignored.py\n"})
    write(tmp_path, {"new.py": CONFLICT, "ignored.py": CONFLICT, "new.py.rej": ""})

    assert sorted(unsettled(tmp_path)) == sorted([*found, "new.py", "new.py.rej"])


def test_a_document_that_git_calls_unmerged_is_found_whatever_is_in_it(tmp_path: Path) -> None:
    page = {"page.md": f"```\n{CONFLICT}```\n"}
    commit(tmp_path, {"page.md": "first\n"})
    git(tmp_path, "checkout", "--quiet", "-b", "other")
    commit(tmp_path, {"page.md": "second\n"})
    git(tmp_path, "checkout", "--quiet", "main")
    commit(tmp_path, {"page.md": "third\n"})
    with pytest.raises(Exception, match="merge"):
        git(tmp_path, "merge", "other")
    write(tmp_path, page)

    assert list(unsettled(tmp_path)) == ["page.md"]


def test_only_this_project_of_a_larger_repository_is_searched(tmp_path: Path) -> None:
    commit(tmp_path, {"ours/fine.py": "", "ours/broken.py": CONFLICT, "theirs/broken.py": CONFLICT})

    assert list(unsettled(tmp_path / "ours")) == ["broken.py"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no .copier-answers.yml"),
        ("", "has no _src_path"),
        ("[a list]", "has no _src_path"),
        ("_src_path: https://example.org/t.git\n", "has no _commit"),
        (f"_commit: 1.0.0\n{CONFLICT}", "is broken or has conflicts"),
        ("_commit: 1.0.0\n_src_path: ../template\n", "by a relative path, ../template"),
        ("_commit: 1.0.0\n_src_path: .\n", "by a relative path, ."),
        ("_commit: 1.0.0\n_src_path: /no/such/template\n", "The template is no longer at /no/such/template."),
    ],
)
def test_answers_that_no_update_can_start_from_are_refused(content: str | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        write(tmp_path, {ANSWERS: content})

    with pytest.raises(ConfigurationError) as caught:
        read_answers(tmp_path)

    assert sentence in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize("source", ["https://example.org/t.git", "git@example.org:t.git", "gh:someone/t"])
def test_a_template_on_the_network_is_not_asked(source: str, tmp_path: Path) -> None:
    write(tmp_path, answers(source, "1.0.0"))

    assert read_answers(tmp_path)[:2] == (source, "1.0.0")


def test_a_template_on_this_machine_must_have_the_version(tmp_path: Path) -> None:
    template, project = tmp_path / "template", tmp_path / "project"
    commit(template, {"copier.yml": ""})
    git(template, "tag", "0.1.0")
    write(project, answers(template))
    assert read_answers(project).version == "0.1.0"

    write(project, answers(template, "0.0.9"))
    with pytest.raises(ConfigurationError, match=r"has no version 0\.0\.9"):
        read_answers(project)


def test_a_service_that_is_on_and_nowhere_in_the_code_is_a_stranger(tmp_path: Path) -> None:
    more = "use_teapot: true\nuse_kettle: true\nuse_spoon: false\nname: use_cup\n"
    write(tmp_path, answers("gh:someone/t", more=more) | {"src/app/kettle.py": "KETTLE = 1\n"})

    assert list(strangers(tmp_path, read_answers(tmp_path))) == ["teapot"]


def test_what_becomes_of_each_file(tmp_path: Path) -> None:
    recorded, before, after = (tmp_path / name for name in ("recorded", "before", "after"))
    lines = "one\ntwo\nthree\n"
    write(
        recorded, dict.fromkeys(["same", "changed", "deleted", "lost", "merged", "conflict", "over", "trimmed"], lines)
    )
    mine = {"lost": f"{lines}mine\n", "merged": f"mine\n{lines}", "conflict": "mine\n", "over": f"{lines}mine\n"}
    write(before, dict.fromkeys(["same", "changed", "deleted"], lines) | mine | {"trimmed": "one\n", "own": "mine\n"})
    write(before, {"untouched": "mine\n", "clash": "mine\n", ".git/config": "a", ANSWERS: "a"})
    write(after, {"same": lines, "changed": "new\n", "merged": f"mine\n{lines}four\n", "over": f"{lines}four\n"})
    write(after, {"conflict": CONFLICT, "added/new": "new\n", "trimmed": "ONE\n", "own": "mine\n", "clash": "new\n"})
    write(after, {"untouched": "mine\n", ".git/config": "b", ANSWERS: "b"})
    for folder, target in ((recorded, "a"), (before, "a"), (after, "b")):
        (folder / "link").symlink_to(target)

    assert [tuple(change) for change in compare(recorded, before, after)] == [
        ("add", "added/new"),
        ("change", "changed"),
        ("lose", "clash"),
        ("conflict", "conflict"),
        ("delete", "deleted"),
        ("change", "link"),
        ("lose", "lost"),
        ("merge", "merged"),
        ("lose", "over"),
        ("merge", "trimmed"),
    ]
    assert list(compare(before, before, before)) == []
    assert all(isinstance(change, Change) for change in compare(recorded, before, after))
