"""`ashlar new` writes what `copier copy` writes, asks less, and leaves nothing half done."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ashlar.origin import find_origin, source_of
from tests.checkout import ROOT, git
from tests.combinations import BARE, FULL, OPTIONS, Combination
from tests.projects import Run, render, tree
from tests.terminals import CLEAR_LINE, DOWN, ENTER, Terminal
from tests.updating import command, make_template, publish, write

SPACE = " "
ROUNDS = 3
AT_MOST = 0.6


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of all files and folders by their paths."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in found}


def answers(project: Path) -> dict[str, object]:
    stored: dict[str, object] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return {name: value for name, value in stored.items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("chosen", "flags"),
    [(FULL, ["--all"]), (BARE, ["--none", "--no-example"])],
    ids=["all", "none"],
)
def test_new_writes_the_bytes_of_copier_copy(
    run: Run, template: Path, tmp_path: Path, chosen: Combination, flags: list[str]
) -> None:
    made = command(tmp_path, "new", "made", "--template", str(template), "--defaults", *flags)
    assert made.code == 0, made
    assert tree(tmp_path / "made") == tree(run.rendered(chosen))
    assert modes(tmp_path / "made") == modes(run.rendered(chosen))
    assert "\n  cd made\n" in made.output
    assert "uv run app dev " in made.output
    assert "create" not in made.output


def test_new_takes_the_most_particular_answer(template: Path, tmp_path: Path) -> None:
    file = tmp_path / "answers.yml"
    file.write_text("_commit: 0.0.1\nproject_name: Café\nuse_redis: false\nlicense: MIT\n")
    given = ["--data-file", str(file), "--data", "license=Proprietary", "--author-name", "Ana"]
    made = command(
        tmp_path, "new", "made", "--template", str(template), "--defaults", *given, "--all"
    )
    assert made.code == 0, made
    said = answers(tmp_path / "made")
    assert said | {"project_name": "Café", "license": "Proprietary", "author_name": "Ana"} == said
    assert said | {option.question: True for option in OPTIONS} == said
    render(template, tmp_path / "copied", said)
    assert tree(tmp_path / "made") == tree(tmp_path / "copied")


@pytest.mark.parametrize(
    ("arguments", "said", "next_step"),
    [
        (["occupied", "--defaults"], "occupied has files, such as mine.txt", "not there yet"),
        (["occupied/mine.txt", "--defaults"], "occupied/mine.txt is a file", "not there yet"),
        (["made"], "There is no terminal to ask on", "Add --defaults"),
        (["--defaults"], "No folder is named", "Name one"),
        (
            ["made", "--defaults", "--data", "use_lamp=true"],
            "does not ask for use_lamp",
            "use_redis",
        ),
        (
            ["made", "--defaults", "--data", "use_redis=maybe"],
            "yes or no, not maybe",
            "true or false",
        ),
        (["made", "--defaults", "--data", "use_redis"], "wants question=value", "Write it"),
        (
            ["made", "--defaults", "--data-file", "nowhere.yml"],
            "nowhere.yml cannot be read",
            "line",
        ),
        (["made", "--defaults", "--author-name", "a, b"], "No commas", "Correct the answer"),
        (["made", "--defaults", "--license", "GPL"], "'GPL' is not in", "Correct the answer"),
        (["made", "--defaults", "--version", "9.9.9"], "9.9.9", "the template is there"),
    ],
)
def test_new_refuses_with_a_next_step_and_writes_nothing(
    template: Path, tmp_path: Path, arguments: list[str], said: str, next_step: str
) -> None:
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied/mine.txt").write_text("mine\n")
    refused = command(tmp_path, "new", "--template", str(template), *arguments)
    assert refused.code == 1, refused
    error, _, after = refused.output.strip().partition("\nnext: ")
    assert said in error
    assert next_step in after
    assert tree(tmp_path) == {"occupied/mine.txt": b"mine\n"}
    assert not (tmp_path / "made").exists()


def test_new_leaves_an_empty_repository_as_it_was_when_it_cannot_finish(tmp_path: Path) -> None:
    template = make_template(tmp_path / "template")
    write(template / "template", {"zzz.txt.jinja": "{{ 1 / 0 }}"})
    publish(template, "1.1.0")
    git(tmp_path, "init", "--quiet", "made")
    arguments = ("new", "made", "--defaults", "--template", str(template))

    refused = command(tmp_path, *arguments)
    assert refused.code == 1
    assert "division by zero. Nothing was written." in refused.output
    assert [path.name for path in (tmp_path / "made").iterdir()] == [".git"]

    assert command(tmp_path, *arguments, "--version", "1.0.0").code == 0
    assert (tmp_path / "made/src/app/main.py").is_file()


def test_new_asks_the_services_first_and_on_one_screen(
    template: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal("ashlar", "new", "--template", str(template), cwd=tmp_path)
    terminals.append(terminal)
    terminal.see("Into which folder?")
    terminal.type(ENTER)
    terminal.see("What shall it have?")
    terminal.see("redis")
    terminal.see("timescaledb")
    terminal.type(SPACE, DOWN, DOWN, SPACE, ENTER)
    for question, bad, sentence, good in (
        ("What is the project called?", "!!!", "Use a letter or a digit", "Fine"),
        ("Their e-mail address?", "ana at home", "Write name@example.org", "ana@example.org"),
    ):
        terminal.see(question)
        terminal.type(CLEAR_LINE, bad, ENTER)
        terminal.see(sentence)
        terminal.type(CLEAR_LINE, good, ENTER)
        if question.startswith("What"):
            terminal.see("What is it for")
            terminal.type(ENTER)
            terminal.see("Who writes it")
            terminal.type(ENTER)
    terminal.see("Under which licence?")
    terminal.type(ENTER)
    terminal.see("Fine is ready. Next:")
    assert terminal.end() == 0
    said = answers(tmp_path / "my-service")
    assert [name for name, value in said.items() if value is True] == [
        "include_example",
        "use_redis",
        "use_stripe",
    ]
    render(template, tmp_path / "copied", said)
    assert tree(tmp_path / "my-service") == tree(tmp_path / "copied")


def test_ctrl_c_in_the_middle_of_new_leaves_nothing(
    template: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    arguments = ("new", "project", "--none", "--template", str(template))
    terminal = Terminal("ashlar", *arguments, cwd=tmp_path)
    terminals.append(terminal)
    terminal.see("What is the project called?")
    terminal.type("\x03")
    terminal.see("Interrupted: nothing was written.")
    assert terminal.end() == 1
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("file:///srv/ash%20lar", "/srv/ash lar"),
        ("https://github.com/ana/ashlar", "https://github.com/ana/ashlar"),
        ("https://example.org/ashlar.git", "https://example.org/ashlar.git"),
        ("ssh://git@example.org/ashlar", "git+ssh://git@example.org/ashlar"),
    ],
)
def test_the_place_that_a_command_was_installed_from_is_the_template(url: str, source: str) -> None:
    assert source_of({"url": url}) == source
    assert find_origin() == str(ROOT)


@pytest.mark.long
def test_new_takes_at_most_three_fifths_of_copier_s_time(template: Path, tmp_path: Path) -> None:
    """In processor time, in turns, so that a busy machine slows neither down more."""
    commands = {
        "ashlar": ("ashlar", "new", "--defaults", "--template", str(template)),
        "copier": ("copier", "copy", "--defaults", str(template)),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS):
        for name, (module, *arguments) in commands.items():
            before = sum(os.times()[2:4])
            words = [sys.executable, "-m", module, *arguments, f"{name}-{turn}"]
            subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
            taken[name].append(sum(os.times()[2:4]) - before)
    assert min(taken["ashlar"]) <= AT_MOST * min(taken["copier"]), taken
