"""The end of a run: a table of combinations, and one line with the count of all tests.

Only the standard library: the noxfile uses it, in nox's own environment.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("rendered", "linted", "typed", "suite")


@dataclass
class Count:
    """Tests of one report."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped} in {self.seconds:.0f} s"


@dataclass
class Tally:
    """The sum of the reports (JUnit's XML) in a folder.

    Attributes:
        folder: Where the sessions write their reports.
        sessions: How each session that was started has ended, by the stem of its report: "passed",
            "failed" or "skipped: why".
    """

    folder: Path
    sessions: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield the table, the reports and, last of all, the total."""
        yield from self._table()
        counts = {report.stem: _count(report) for report in sorted(self.folder.glob("*.xml"))}
        for session, ended in self.sessions.items():
            # It can fail without a failed test: a linter, no interpreter, an end in the middle.
            if ended == "failed" and not counts.setdefault(session, Count()).failed:
                counts[session].failed = 1
            if ended not in {"passed", "failed"}:
                yield f"{session}: {ended}"
        for stem, count in sorted(counts.items()):
            yield f"{stem}: {count}"
        passed = sum(count.passed for count in counts.values())
        failed = sum(count.failed for count in counts.values())
        yield f"total: {passed} passed, {failed} failed"

    def _table(self) -> Iterator[str]:
        rows: dict[tuple[str, str], dict[str, Count]] = defaultdict(lambda: defaultdict(Count))
        for report in sorted(self.folder.glob("rendered-*.xml")):
            for case in _cases(report):
                noted = _properties(case)
                if "combination" in noted:
                    row = rows[noted["combination"], noted["python"]]
                    _add(row[noted["proves"]], case)
        if not rows:
            return
        names = "".join(f"{name:>10}" for name in COLUMNS)
        width = max(len(combination) for combination, _ in rows)
        yield f"{'combination':{width}} {'python':8}{names}{'seconds':>10}"
        for (combination, python), row in sorted(rows.items()):
            cells = "".join(f"{_verdict(row.get(name)):>10}" for name in COLUMNS)
            seconds = sum(count.seconds for count in row.values())
            yield f"{combination:{width}} {python:8}{cells}{seconds:10.1f}"


def _verdict(count: Count | None) -> str:
    if count is None or not (count.passed or count.failed):
        return "-"
    return "FAILED" if count.failed else "ok"


def _count(report: Path) -> Count:
    count = Count()
    for case in _cases(report):
        _add(count, case)
    return count


def _cases(report: Path) -> Iterator[ET.Element]:
    try:
        yield from ET.parse(report).iter("testcase")  # noqa: S314 - our own sessions wrote it
    except ET.ParseError:
        # Cut off in the middle: its session did not end, and counts as failed.
        return


def _properties(case: ET.Element) -> Mapping[str, str]:
    return {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}


def _add(count: Count, case: ET.Element) -> None:
    count.seconds += float(case.get("time", "0"))
    if case.find("failure") is not None or case.find("error") is not None:
        count.failed += 1
    elif case.find("skipped") is not None:
        count.skipped += 1
    else:
        count.passed += 1
