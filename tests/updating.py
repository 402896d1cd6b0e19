"""A small template with versions, projects made from it, and the command on them.

Most of what an update must do shows on ten files as well as on three hundred.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ashlar.project import ANSWERS_FILE, Project
from ashlar.rendering import Order, Render, make, refusal
from ashlar.template import Template
from ashlar.update import Outcome, Wish, update
from tests.checkout import commit, git
from tests.projects import Finished, render

ANSWERS = ".copier-answers.yml"
# A file that the next version changes, and one that it adds.
THREADS = "src/app/core/threads.py"
NEW = "src/app/new.py"

_QUESTIONS = """\
_subdirectory: template
_envops: {undefined: jinja2.StrictUndefined, trim_blocks: true, keep_trailing_newline: true}
title: {type: str, default: House, validator: "{% if not title %}Say something{% endif %}"}
use_lamp: {type: bool, default: false}
_skip_if_exists: [migrations/versions/0001_initial.py]
_exclude:
  - |
    {% if _copier_operation == 'update' %}
    migrations/versions/0001_initial.py
    {% endif %}
  - |
    {% if not use_lamp | default(false) %}
    src/app/lamp.py
    {% endif %}
"""


def function(name: str, *lines: str) -> str:
    """Return a Python function that looks like no other, so that git tells files apart."""
    body = "".join(f"    {line}\n" for line in lines or (f'return "{name}"',))
    return f'def {name}() -> str:\n    """Return what {name} says, and nothing else."""\n{body}'


def module(name: str, *names: str) -> str:
    """Return a Python module of some functions."""
    functions = [function(each) for each in names or [f"{name}_{each}" for each in "abcdef"]]
    return f'"""The module called {name}."""\n' + "".join(f"\n\n{each}" for each in functions)


FILES = {
    "template/{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/README.md.jinja": "# {{ title }}\n\nOne.\n\nTwo.\n\nThree.\n\nFour.\n\nFive.\n",
    "template/pyproject.toml": '[project]\nname = "house"\nversion = "1"\n\n'
    "[tool.ruff]\nline-length = 120\n",
    "template/.gitignore": "*.tmp\n",
    "template/migrations/versions/0001_initial.py": module("initial"),
    "template/src/app/main.py": module("main"),
    "template/src/app/lamp.py": module("lamp"),
    "template/src/app/core/threads.py": module("threads"),
    "template/src/app/core/cache/keys.py": module("keys"),
    "template/src/app/core/cache/values.py": module("values"),
    "copier.yml": _QUESTIONS,
}


def write(folder: Path, files: Mapping[str, str | None]) -> None:
    """Write files, and delete those that are None."""
    for path, text in files.items():
        target = folder / path
        if text is None:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")


def replace(folder: Path, path: str, old: str, new: str) -> None:
    """Replace the one occurrence of `old` in a file."""
    text = (folder / path).read_bytes().decode()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
    (folder / path).write_bytes(text.replace(old, new).encode())


def make_template(folder: Path) -> Path:
    """Make the small template, with version 1.0.0."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    write(folder, FILES)
    publish(folder, "1.0.0")
    return folder


def publish(template: Path, version: str, said: str = "Better.", *, tag: bool = True) -> None:
    """Release what is in the template's folder."""
    log = template / "CHANGELOG.md"
    before = log.read_text(encoding="utf-8") if log.exists() else ""
    log.write_text(f"## {version} (2026-12-01)\n\n- {said}\n\n{before}", encoding="utf-8")
    commit(template, f"Release {version}", tag=version if tag else None)


def make_project(template: Path, folder: Path, *, version: str = "1.0.0", **data: object) -> Path:
    """Make a project of a version, committed."""
    render(template, folder, data, version=version)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Rendered")
    return folder


def run_update(
    project: Path,
    data: Mapping[str, str] | None = None,
    *,
    to: str | None = None,
    step: bool = False,
    dry_run: bool = False,
    answers_file: str = ANSWERS_FILE,
) -> Outcome:
    """Update a project in this process."""
    wish = Wish(data=data or {}, to=to, step=step, dry_run=dry_run)
    return update(Project.open(project, answers_file), wish, say=lambda _: None)


def command(project: Path, *arguments: str, seconds: float = 120, **environment: str) -> Finished:
    """Run the command as its user would."""
    ended = subprocess.run(
        [sys.executable, "-m", "ashlar", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Finished(command=" ".join(arguments), code=ended.returncode, output=ended.stdout)


def render_here(template: Template, orders: Sequence[Order], scratch: Path) -> list[Render]:
    """Render in this process, which has Copier loaded already, and one after the other."""
    del template, scratch
    renders = []
    for order in orders:
        try:
            renders.append(make(order))
        except Exception as error:
            raise refusal(order, str(error).partition("\n")[0]) from error
    return renders


@contextmanager
def rendering_here() -> Iterator[None]:
    """Have updates in this process render in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ashlar.update.render", render_here)
        yield


def status(project: Path) -> dict[str, str]:
    """Return what `git status` says of each path."""
    lines = git(project, "status", "--porcelain", "--no-renames").splitlines()
    return {line[3:]: line[:2] for line in lines}


@contextmanager
def renders_at_hand(old: Path, new: Path, earlier: Path | None = None) -> Iterator[None]:
    """Have updates in this process take renders that are there: the old version's and the new's.

    That each is what Copier makes is for other tests: these are about what becomes of them.

    Args:
        old: By the old answers.
        new: By the new ones.
        earlier: By those of an earlier commit, which are asked for where the answers have changed.
    """
    kept = frozenset({"migrations/versions/0001_initial.py"})

    def take(template: Template, orders: Sequence[Order], scratch: Path) -> list[Render]:
        del template, scratch
        given = [each for each in (old, new, earlier) if each is not None]
        assert len(orders) <= len(given)
        for order, there in zip(orders, given, strict=False):
            ignore = shutil.ignore_patterns(".git")
            shutil.copytree(there, order.folder, ignore=ignore, dirs_exist_ok=True)
        return [Render(Path(order.folder), kept) for order in orders]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ashlar.update.render", take)
        yield


def edited(project: Path) -> Path:
    """Edit a file that the next version changes elsewhere."""
    replace(project, THREADS, 'return "threads_f"', 'return "mine"')
    commit(project, "Mine")
    return project


def next_version(template: Path, version: str = "1.1.0", *, tag: bool = True) -> None:
    """Release a version that changes a file and adds one."""
    replace(template / "template", THREADS, 'return "threads_a"', f'return "of {version}"')
    write(template / "template", {NEW: module("new")})
    publish(template, version, tag=tag)


def must_be_merged(project: Path, outcome: Outcome, version: str = "1.1.0") -> None:
    """Look for both sides' changes."""
    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    text = (project / THREADS).read_text()
    assert f'return "of {version}"' in text
    assert 'return "mine"' in text
    assert (project / NEW).read_text() == module("new")
    assert f"_commit: {version}\n" in (project / ANSWERS).read_text()
