"""The report on the newest versions of all dependencies: `python3 -m tests.newest REPORTS …`.

CI keeps it as one issue. It takes what the issue said on standard input and writes what it shall
say from now on: whether the newest versions work, since when they do not, what failed, and what has
changed since they last did. Only the standard library: it runs where nothing is installed.
"""

from __future__ import annotations

import argparse
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_GREEN = re.compile(r"Last green: (\d{4}-\d\d-\d\d), \[run\]\(([^)\s]+)\)")
_RED = re.compile(r"Red since: (\d{4}-\d\d-\d\d)")
_VERSIONS = re.compile(r"```text\n(.*?)```", re.DOTALL)
_NEVER = "Last green: not yet"
# GitHub takes 65,536 characters, and people read no more failures than these.
_MOST_FAILURES = 50


@dataclass(frozen=True, kw_only=True)
class Known:
    """The content of the issue.

    Attributes:
        green: Day and address of the last run in which everything passed; None before the first.
        red_since: Day of the first failure after it; None if nothing has failed since.
        versions: Those of the last green run, by distribution.
    """

    green: tuple[str, str] | None = None
    red_since: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Known:
        """Return what an issue says; nothing is known from an empty one."""
        green, red, versions = (each.search(text) for each in (_GREEN, _RED, _VERSIONS))
        return cls(
            green=(green[1], green[2]) if green else None,
            red_since=red[1] if red else None,
            versions=read_versions(versions[1]) if versions else {},
        )

    def next(self, *, failed: bool, day: str, run: str, versions: Mapping[str, str]) -> Known:
        """Return what is known after a run: a failure leaves what was green as it was."""
        if failed:
            return Known(green=self.green, red_since=self.red_since or day, versions=self.versions)
        return Known(green=(day, run), versions=versions)

    def lines(self, run: str, failures: list[str], versions: Mapping[str, str]) -> Iterator[str]:
        """Yield the lines of the issue.

        Args:
            run: Address of the run that is reported.
            failures: Names of the tests that failed in it.
            versions: What it ran with.
        """
        yield "Every Monday all combinations are rendered and tested with the newest versions of"
        yield "everything they depend on; this issue is rewritten each time."
        yield ""
        yield "Last green: {}, [run]({})".format(*self.green) if self.green else _NEVER
        if self.red_since:
            yield f"Red since: {self.red_since}, [latest run]({run})"
            yield from ("", "## What fails", "")
            yield from (f"- `{each}`" for each in failures[:_MOST_FAILURES])
            if not failures:
                yield "No test did: a session ended before its tests, see the run."
            if len(failures) > _MOST_FAILURES:
                yield f"- and {len(failures) - _MOST_FAILURES} more"
            yield from ("", "## What changed since the last green run", "")
            yield from _changes(self.versions, versions)
        yield from ("", "<details><summary>The versions of the last green run</summary>", "")
        yield "```text"
        yield from (f"{name}=={version}" for name, version in sorted(self.versions.items()))
        yield from ("```", "", "</details>")


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if not (before and now and names):
        known = "Nothing of what is installed." if now else "Nothing could be installed."
        yield known if before else "No run was green yet."
        return
    yield from ("| | green | now |", "|---|---|---|")
    yield from (f"| {name} | {before.get(name, '–')} | {now.get(name, '–')} |" for name in names)


def read_versions(text: str) -> dict[str, str]:
    """Return what `uv pip freeze` lists, by distribution; the project itself has no version."""
    pairs = (line.strip().partition("==") for line in text.splitlines() if "==" in line)
    return {name: version for name, _, version in pairs}


def installed(reports: Path) -> dict[str, str]:
    """Return the versions that a run's sessions have noted; Pythons may differ in some."""
    found: dict[str, set[str]] = {}
    for path in sorted(reports.rglob("*.txt")):
        for name, version in read_versions(path.read_text(encoding="utf-8")).items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def failed_tests(reports: Path) -> list[str]:
    """Return the names of the failed tests in a run's reports (JUnit's XML)."""
    return [
        f"{report.stem}: {case.get('classname')}::{case.get('name')}"
        for report in sorted(reports.rglob("*.xml"))
        for case in ET.parse(report).iter("testcase")  # noqa: S314 — our own reports
        if case.find("failure") is not None or case.find("error") is not None
    ]


def main(arguments: list[str]) -> int:
    """Rewrite the issue: what it said comes on standard input."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.newest", description=__doc__)
    parser.add_argument("reports", type=Path, help="the folder with the run's reports")
    parser.add_argument("--outcome", required=True, help="how the run ended: success, or else")
    parser.add_argument("--day", required=True, help="when, as 2026-11-23")
    parser.add_argument("--run", required=True, help="its address")
    given = parser.parse_args(arguments)
    versions = installed(given.reports)
    known = Known.read(sys.stdin.read()).next(
        failed=given.outcome != "success", day=given.day, run=given.run, versions=versions
    )
    print(*known.lines(given.run, failed_tests(given.reports), versions), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
