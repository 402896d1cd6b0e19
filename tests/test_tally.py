"""The last line of a run tells the truth, also when a session fell over before its tests."""

from __future__ import annotations

from pathlib import Path

from tests.tally import Tally

PASSED = '<testcase name="a" time="1.5"/>'
FAILED = '<testcase name="b" time="0.5"><failure message="x"/></testcase>'
ERROR = '<testcase name="c" time="0.5"><error message="x"/></testcase>'
SKIPPED = '<testcase name="d" time="0"><skipped message="x"/></testcase>'


def write(folder: Path, name: str, *cases: str) -> None:
    (folder / f"{name}.xml").write_text(
        f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
    )


def proving(column: str, *, failed: bool = False) -> str:
    noted = {"combination": "bare", "python": "3.11", "proves": column}
    properties = "".join(f'<property name="{n}" value="{v}"/>' for n, v in noted.items())
    failure = "<failure/>" if failed else ""
    return f'<testcase name="x" time="2"><properties>{properties}</properties>{failure}</testcase>'


def test_reports_are_added_up(tmp_path: Path) -> None:
    write(tmp_path, "template", PASSED, PASSED, SKIPPED)
    write(tmp_path, "suite-bare-3.11", PASSED, FAILED, ERROR)
    sessions = {"template": "passed", "suite-bare-3.11": "failed"}
    lines = list(Tally(tmp_path, sessions).lines())
    assert lines[-1] == "total: 3 passed, 2 failed"
    assert any("template" in each and "1 skipped" in each for each in lines)


def test_a_session_that_failed_without_a_failed_test_is_counted(tmp_path: Path) -> None:
    write(tmp_path, "template", PASSED)
    lines = list(Tally(tmp_path, {"template": "passed", "lint": "failed"}).lines())
    assert lines[-1] == "total: 1 passed, 1 failed"
    assert any(each.startswith("lint") and "1 failed" in each for each in lines)


def test_a_session_that_could_not_run_is_named(tmp_path: Path) -> None:
    lines = list(Tally(tmp_path, {"rendered-bare-3.12": "skipped: no Python 3.12 here"}).lines())
    assert "skipped: no Python 3.12 here" in lines[0]
    assert lines[-1] == "total: 0 passed, 0 failed"


def test_a_report_that_was_cut_off_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "template.xml").write_text("<testsuites><testsuite><testcase")
    lines = list(Tally(tmp_path, {"template": "failed"}).lines())
    assert lines[-1] == "total: 0 passed, 1 failed"


def test_the_table_has_a_row_for_each_combination_and_python(tmp_path: Path) -> None:
    write(tmp_path, "rendered-bare-3.11", proving("rendered"), proving("linted", failed=True))
    lines = list(Tally(tmp_path).lines())
    assert lines[1].split() == ["bare", "3.11", "ok", "FAILED", "-", "-", "4.0"]
