"""copier.yml as text: Copier ignores what it does not know and meets a bad condition late."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import pytest
import yaml
from copier._template import Template
from copier._user_data import Question
from pathspec import GitIgnoreSpec

from tests.checkout import ROOT, template_files
from tests.combinations import OPTIONS

CONFIGURATION: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
SETTINGS = {key: value for key, value in CONFIGURATION.items() if key.startswith("_")}
QUESTIONS = {key: value for key, value in CONFIGURATION.items() if not key.startswith("_")}
ASKED = {name: each for name, each in QUESTIONS.items() if each.get("when", True) is not False}

# Copier's own names for what may stand in copier.yml, taken from the classes that read it.
KNOWN_SETTINGS = {
    f"_{name}"
    for name in re.findall(r'config_data(?:\.get\(|\[)\s*"(\w+)"', inspect.getsource(Template))
}
KNOWN_QUESTION_KEYS = {field.name for field in dataclasses.fields(Question)} - {
    "var_name",
    "answers",
    "context",
    "jinja_env",
    "settings",
}

# They would make `copier copy` ask for --trust, or keep an answer from the updates.
UNWANTED_SETTINGS = {"_tasks", "_migrations", "_jinja_extensions", "_secret_questions"}

# The order in which options appear everywhere.
SERVICES = ("use_redis", "use_sentry", "use_stripe", "use_timescaledb")


def wings() -> dict[str, list[str]]:
    """Return the patterns of `_exclude` by the condition they stand under ("" for none)."""
    found: dict[str, list[str]] = {}
    for block in SETTINGS["_exclude"]:
        lines = block.splitlines()
        condition = ""
        if lines[0].startswith("{%"):
            assert lines[-1] == "{% endif %}", f"a block of _exclude ends with {lines[-1]!r}"
            condition, lines = lines[0], lines[1:-1]
        assert condition not in found, f"two blocks of _exclude for {condition!r}: make it one"
        assert not any("{%" in line or "{{" in line for line in lines), f"nested: {block}"
        found[condition] = lines
    return found


def option_wings() -> dict[str, list[str]]:
    """Return the patterns each option owns."""
    found = {}
    for option in OPTIONS:
        default = str(option.default).lower()
        condition = f"{{% if not {option.question} | default({default}) %}}"
        found[option.question] = wings().get(condition, [])
    return found


def test_every_setting_is_one_copier_knows() -> None:
    assert set(SETTINGS) <= KNOWN_SETTINGS
    assert not set(SETTINGS) & UNWANTED_SETTINGS


def test_the_list_of_known_settings_has_what_it_must_and_not_what_it_must_not() -> None:
    """The list comes out of Copier's insides, so it is checked itself."""
    assert {"_exclude", "_envops", "_skip_if_exists", "_message_after_update"} <= KNOWN_SETTINGS
    assert not {"_excludes", "_skip_if_exist", "_message_after_updates"} & KNOWN_SETTINGS


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_type_help_and_default_and_no_unknown_key(name: str) -> None:
    question = QUESTIONS[name]
    assert set(question) <= KNOWN_QUESTION_KEYS
    assert {"type", "help", "default"} <= set(question)
    assert question["type"] in {"str", "bool"}
    assert not question.get("secret")
    assert not question.get("multiselect")


def test_at_most_ten_are_asked_and_free_text_is_validated() -> None:
    assert len(ASKED) <= 10
    assert [n for n, q in ASKED.items() if q["type"] == "str" and "choices" not in q] == [
        name for name, question in ASKED.items() if "validator" in question
    ]


def test_options_are_asked_in_one_order() -> None:
    bools = [name for name, question in ASKED.items() if question["type"] == "bool"]
    assert bools == [option.question for option in OPTIONS]
    assert [each for each in bools if each in SERVICES] == [
        each for each in SERVICES if each in bools
    ]
    assert {option.question: option.default for option in OPTIONS} == {
        name: ASKED[name]["default"] for name in bools
    }


@pytest.mark.parametrize("name", [n for n, q in ASKED.items() if "validator" in q])
def test_a_validators_sentences_fit_the_line_and_its_help_states_the_rules(name: str) -> None:
    sentences = [
        line.strip()
        for line in ASKED[name]["validator"].splitlines()
        if line.strip() and not line.strip().startswith("{%")
    ]
    assert sentences
    assert [each for each in sentences if len(each) > 30] == []
    numbers = re.findall(r"At most (\d+)", " ".join(sentences))
    compared = re.findall(r"length > (\d+)", ASKED[name]["validator"])
    assert numbers == compared
    if name != "author_email":
        assert f"at most {numbers[0]} characters" in ASKED[name]["help"]


def test_validators_anchor_with_a_and_z() -> None:
    """`$` also matches before a line's end, which lets one newline through."""
    searched = re.compile(r"regex_search\('((?:[^'\\]|\\.)*)'\)")
    for name, question in ASKED.items():
        for pattern in searched.findall(question.get("validator", "")):
            outside_classes = re.sub(r"\[[^]]*\]", "", pattern)
            assert "$" not in outside_classes, name
            assert "^" not in outside_classes, name


def test_jinja_is_strict_and_leaves_no_blank_lines() -> None:
    assert SETTINGS["_envops"] == {
        "undefined": "jinja2.StrictUndefined",
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }


def test_conditions_of_exclude_are_written_for_older_answers() -> None:
    """An option's own block, or one for what several need: excluded when none of them is on."""
    written = {
        f"{option.question} | default({str(option.default).lower()})": option.question
        for option in OPTIONS
    }
    for condition in set(wings()) - {"", "{% if _copier_operation == 'update' %}"}:
        match = re.fullmatch(r"\{% if not (?:\((.+)\)|([^()]+\([a-z]+\))) %\}", condition)
        assert match, condition
        asked = [written[each] for each in (match[1] or match[2]).split(" or ")]
        assert asked == [option.question for option in OPTIONS if option.question in asked]
        assert (len(asked) > 1) == bool(match[1]), condition
    assert all(option_wings().values()), "an option without a wing"


def test_patterns_of_exclude_have_no_trailing_slash() -> None:
    patterns = [pattern for block in wings().values() for pattern in block]
    assert [pattern for pattern in patterns if pattern.endswith("/")] == []


def test_every_pattern_of_a_wing_matches_a_file_of_the_template() -> None:
    rendered = [str(path).removesuffix(".jinja") for path in template_files()]
    dead = [
        (condition, pattern)
        for condition, patterns in wings().items()
        if condition
        for pattern in patterns
        if not any(GitIgnoreSpec.from_lines([pattern]).match_files(rendered))
    ]
    assert dead == []


def test_no_file_belongs_to_two_options() -> None:
    rendered = [str(path).removesuffix(".jinja") for path in template_files()]
    owned = [
        path
        for patterns in option_wings().values()
        for path in GitIgnoreSpec.from_lines(patterns).match_files(rendered)
    ]
    assert sorted(owned) == sorted(set(owned))


def test_what_tools_leave_behind_is_never_rendered() -> None:
    never = GitIgnoreSpec.from_lines(wings()[""])
    left = (
        ".env", ".env.local", "uv.lock", "src/app/__pycache__/main.cpython-311.pyc", ".venv/bin/uv",
        ".mypy_cache/x", ".ruff_cache/x", ".pytest_cache/x", "src/app.egg-info/PKG-INFO",
        ".data/postgres-18/PG_VERSION", ".coverage", "src/app/.DS_Store", "src/app/main.py~",
    )  # fmt: skip
    assert [path for path in left if not never.match_file(path)] == []
    assert not never.match_file(".env.example")
    assert not never.match_file("deploy/env/production.env.example")
    rendered = [str(path).removesuffix(".jinja") for path in template_files()]
    assert list(never.match_files(rendered)) == []


def test_scaffolded_once_is_kept_by_both_rules() -> None:
    """`_exclude` on update lets the user delete it; `_skip_if_exists` guards against a recopy."""
    once = wings()["{% if _copier_operation == 'update' %}"]
    assert once == SETTINGS["_skip_if_exists"]


def test_the_guard_of_a_folder_with_files_looks_as_deep_as_the_template_is() -> None:
    match = re.search(r"range\((\d+)\)", QUESTIONS["folder_is_free"]["default"])
    assert match
    assert next(iter(QUESTIONS)) == "folder_is_free"
    assert max(len(path.parts) for path in template_files()) <= int(match[1])
    hidden = [p for p in template_files() if any(part.startswith(".") for part in p.parts[1:])]
    assert hidden == [], "the guard looks for hidden names at the top only"
