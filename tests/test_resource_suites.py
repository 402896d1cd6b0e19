"""Twenty resources of all shapes in one project each, whose own suite is run once: all is green."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ashlar.resource.kinds import KINDS
from ashlar.resource.names import plural_of
from tests.checkout import commit
from tests.combinations import BARE, COMBINATIONS, EXAMPLE, FULL, Combination
from tests.projects import Project, Run
from tests.updating import command

(DEFAULT,) = (each for each in COMBINATIONS if each.on == {EXAMPLE})
NAMES = (
    *("ticket", "entry", "box", "branch", "survey", "parcel", "invoice_line", "hour", "unit"),
    *("wish", "story", "part2", "price_list", "note", "device", "team_member", "quiz_answer"),
    *("axis", "customer_support_ticke", "sensor"),
)
LONG = "the_name_of_a_column_that_says_all_there_is_to_say_about_it"
# Names that mean something to Python, PostgreSQL, Pydantic or the code around them.
FIELDS = (
    *("title", "type", "order", "user", "limit", "values", "line", "moment", "decimal", "day"),
    *(
        "input",
        "field",
        "text",
        "count",
        "index",
        "key",
        "group",
        "end",
        "status",
        "action",
        "self",
    ),
    *("changed", "before", "hash", "name", "x", "desc", "json_value", "page_size"),
)
SEED = 16


def references(combination: Combination) -> list[str]:
    """Return the tables of a project that can be referred to; `?` where only if it may be null."""
    found = ["users", "api_keys?", "sessions?"]
    found += ["items", "item_changes?"] * (EXAMPLE in combination.on)
    found += ["orders"] * ("stripe" in combination.on)
    return found + ["measurement_series?"] * ("timescaledb" in combination.on)


def shapes(combination: Combination) -> Iterator[tuple[str, list[str]]]:
    """Yield a name and fields of each resource; each kind is there, with and without `?`."""
    chosen = random.Random(SEED)  # noqa: S311 — the same in each run
    kinds = [*KINDS, "enum(a)", "enum(open,in-progress,DONE_1)"]
    fields = [f"{kind}{null}" for kind in kinds for null in ("", "?")]
    chosen.shuffle(fields)
    tables = references(combination)
    taken = 0
    for number, name in enumerate(NAMES):
        own = [fields[(3 * number + each) % len(fields)] for each in range(number % 5 + 1)]
        labels = chosen.sample(FIELDS, k=len(own) + number % 4)
        # A constraint's name would be too long.
        if own[0][:4] not in {"enum", "json"} and number % 2:
            labels[0] = LONG
        own += [tables[(taken + each) % len(tables)] for each in range(number % 4)]
        taken += number % 4
        asked = [f"{label}:{kind}" for label, kind in zip(labels, own, strict=True)]
        asked += [f"parent:{plural_of(name)}?"] if number % 6 == 5 else []
        asked += ["owner:users"] if number % 3 else []
        chosen.shuffle(asked)
        yield name, asked
        tables.append(plural_of(name))


def test_the_shapes_have_each_kind_of_field_with_and_without_null() -> None:
    asked = [field.partition(":")[2] for _, fields in shapes(FULL) for field in fields]
    kinds = {field.partition("(")[0].rstrip("?") + "?" * field.endswith("?") for field in asked}
    assert kinds >= {
        f"{kind}{null}" for kind in (*KINDS, "enum", "users") for null in ("", "?")
    } - {"users?"}
    assert {"items", "orders", "measurement_series?"} <= kinds


@pytest.mark.long
@pytest.mark.parametrize("combination", [BARE, DEFAULT, FULL], ids=lambda each: each.id)
def test_twenty_resources_leave_a_project_green(
    run: Run, tmp_path: Path, combination: Combination
) -> None:
    shared = run.project(combination)
    folder = tmp_path / "project"
    # What is compiled would be committed with the rest.
    shutil.copytree(shared.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    project = replace(shared, folder=folder, venv=folder / ".venv")
    project.run("uv", "sync", "--quiet").must_succeed()
    for name, asked in shapes(combination):
        added = command(folder, "add", "resource", name, *asked, seconds=300, **project.environment)
        assert added.code == 0, (name, asked, added)
        commit(folder, f"Add {name}")
    must_be_green(project)


def must_be_green(project: Project) -> None:
    """Run all of the project's tools, and its suite with what is generated from the document."""
    for tool in ("ruff check", "ruff format --check", "lint-imports", "mypy"):
        project.tool(*tool.split(), timeout=1200).must_succeed()
    project.tool("app", "db", "upgrade").must_succeed()
    project.tool("app", "db", "check").must_succeed()
    report = project.folder / "coverage.json"
    options = ("--cov", "--cov-fail-under=0", f"--cov-report=json:{report}")
    suite = project.tool("pytest", "-n", "2", "-q", "-m", "not process", *options, timeout=7200)
    suite.must_succeed()
    measured = json.loads(report.read_text())["files"]
    written = {
        path: found["summary"]["percent_covered"]
        for path, found in measured.items()
        if Path(path).stem in {form for name in NAMES for form in (name, plural_of(name))}
    }
    assert len(written) == 6 * len(NAMES)
    assert {path: percent for path, percent in written.items() if percent < 100} == {}
