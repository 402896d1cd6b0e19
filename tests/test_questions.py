"""The questionnaire, answered as a person would: with keys, in process and on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import copier
import pytest
import yaml
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.checkout import ROOT
from tests.combinations import OPTIONS
from tests.projects import tree
from tests.terminals import CLEAR_LINE, DOWN, ENTER, Terminal


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    """A keyboard for prompts that run in this process."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


def answers(project: Path) -> dict[str, object]:
    stored: dict[str, object] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return {name: value for name, value in stored.items() if not name.startswith("_")}


def test_enter_through_everything_equals_the_defaults(
    template: Path, tmp_path: Path, keys: PipeInput
) -> None:
    keys.send_text(ENTER * (5 + len(OPTIONS)))
    copier.run_copy(str(template), tmp_path / "asked", quiet=True)
    copier.run_copy(str(template), tmp_path / "defaults", quiet=True, defaults=True)
    assert tree(tmp_path / "asked") == tree(tmp_path / "defaults")
    assert answers(tmp_path / "asked") == {
        "project_name": "My Service",
        "description": "A web service on FastAPI and PostgreSQL",
        "author_name": "My Service contributors",
        "author_email": "",
        "license": "MIT",
    } | {option.question: option.default for option in OPTIONS}


def test_what_is_typed_is_what_is_stored(template: Path, tmp_path: Path, keys: PipeInput) -> None:
    for typed in ('Café "Zoë"', "It's {{ here }}", "Ana Ruiz", "ana@example.org"):
        keys.send_text(CLEAR_LINE + typed + ENTER)
    keys.send_text(DOWN * 2 + ENTER)
    # Each answered against its default.
    keys.send_text("".join("n" if option.default else "y" for option in OPTIONS))
    copier.run_copy(str(template), tmp_path / "project", quiet=True)
    assert answers(tmp_path / "project") == {
        "project_name": 'Café "Zoë"',
        "description": "It's {{ here }}",
        "author_name": "Ana Ruiz",
        "author_email": "ana@example.org",
        "license": "BSD-3-Clause",
    } | {option.question: not option.default for option in OPTIONS}


def test_a_bad_answer_is_refused_with_its_rule_and_can_be_corrected(
    template: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal("copier", "copy", str(template), "project", cwd=tmp_path)
    terminals.append(terminal)
    refused = (
        ("What is the project called?", "!!!", "Use a letter or a digit", "Fine"),
        ("What is it for", "x" * 151, "At most 150 characters", "Fine, too"),
        ("Who writes it", "Ruiz, Ana", "No commas", "Ana Ruiz"),
        ("Their e-mail address?", "ana at home", "Write name@example.org", "ana@example.org"),
    )
    for question, bad, sentence, good in refused:
        terminal.see(question)
        terminal.type(CLEAR_LINE, bad, ENTER)
        terminal.see(sentence)
        assert not (tmp_path / "project").exists()
        terminal.type(CLEAR_LINE, good, ENTER)
    terminal.see("Under which licence?")
    terminal.type(ENTER)
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    for option in OPTIONS:
        # The terminal breaks long lines.
        terminal.see(questions[option.question]["help"][:20])
        terminal.type(ENTER)
    terminal.see("Fine is ready. Next:")
    terminal.see("uv run app dev")
    assert terminal.end() == 0
    assert answers(tmp_path / "project")["author_name"] == "Ana Ruiz"


def test_ctrl_c_in_the_middle_leaves_nothing(
    template: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal("copier", "copy", str(template), "project", cwd=tmp_path)
    terminals.append(terminal)
    terminal.see("What is the project called?")
    terminal.type(ENTER)
    terminal.see("What is it for")
    terminal.type("\x03")
    assert terminal.end() != 0
    assert not (tmp_path / "project").exists()
