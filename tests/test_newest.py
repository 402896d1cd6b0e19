"""The issue on the newest versions, rewritten run after run as CI does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

PASSED = '<testcase classname="tests.test_a" name="test_fine"/>'
FAILED = (
    '<testcase classname="tests.test_a" name="test_broken[x]"><failure message="no"/></testcase>'
)


def rewrite(issue: str, reports: Path, *, outcome: str, day: str, cases: str, versions: str) -> str:
    """Return what the issue says after a run."""
    (reports / "suite-bare-3.11.xml").write_text(
        f"<testsuites><testsuite>{cases}</testsuite></testsuites>"
    )
    (reports / "rendered-bare-3.11.txt").write_text(versions)
    run = f"https://example.org/runs/{day}"
    ended = subprocess.run(
        [
            *(sys.executable, "-S", "-m", "tests.newest", str(reports)),
            *("--outcome", outcome, "--day", day, "--run", run),
        ],
        cwd=ROOT,
        input=issue,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ended.stdout


def test_the_last_green_day_stays_until_the_next_one(tmp_path: Path) -> None:
    old = "fastapi==0.165.0\nmy-service @ file:///x\nstructlog==26.1\n"
    new = "fastapi==0.166.0\nstructlog==26.1\nanyio==5.0\n"

    issue = rewrite("", tmp_path, outcome="success", day="2026-11-16", cases=PASSED, versions=old)
    assert "Last green: 2026-11-16, [run](https://example.org/runs/2026-11-16)\n" in issue
    assert "Red since" not in issue
    assert "```text\nfastapi==0.165.0\nstructlog==26.1\n```" in issue

    for day in ("2026-11-23", "2026-11-30"):
        issue = rewrite(
            issue, tmp_path, outcome="failure", day=day, cases=PASSED + FAILED, versions=new
        )
        assert "Last green: 2026-11-16, [run](https://example.org/runs/2026-11-16)\n" in issue
        assert f"Red since: 2026-11-23, [latest run](https://example.org/runs/{day})\n" in issue
        assert "\n- `suite-bare-3.11: tests.test_a::test_broken[x]`\n" in issue
        assert "test_fine" not in issue
        assert "\n| fastapi | 0.165.0 | 0.166.0 |\n" in issue
        assert "\n| anyio | – | 5.0 |\n" in issue
        assert "| structlog |" not in issue

    issue = rewrite(
        issue, tmp_path, outcome="success", day="2026-12-07", cases=PASSED, versions=new
    )
    assert "Last green: 2026-12-07, [run](https://example.org/runs/2026-12-07)\n" in issue
    assert "Red since" not in issue
    assert "fastapi==0.166.0" in issue


@pytest.mark.parametrize("outcome", ["failure", "cancelled", ""])
def test_whatever_is_no_success_is_red_even_without_a_failed_test(
    tmp_path: Path, outcome: str
) -> None:
    issue = rewrite("", tmp_path, outcome=outcome, day="2026-11-16", cases=PASSED, versions="")

    assert "Last green: not yet\n" in issue
    assert "Red since: 2026-11-16" in issue
    assert "No test did: a session ended before its tests" in issue
    assert "No run was green yet." in issue


def test_many_failures_are_cut_short(tmp_path: Path) -> None:
    issue = rewrite(
        "", tmp_path, outcome="failure", day="2026-11-16", cases=FAILED * 60, versions=""
    )

    assert issue.count("- `suite-") == 50
    assert "\n- and 10 more\n" in issue
