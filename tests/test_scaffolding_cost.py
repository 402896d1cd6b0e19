"""The cost of a copy beside one of plain files: the budget that keeps `.jinja` files few."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import copier

from tests.checkout import commit, git
from tests.projects import tree

# 1.4 as measured, texts compiled anew for each copy.
MAX_RATIO = 1.8
ROUNDS = 5
# In a process of its own: others of these tests have Copier compile texts once.
COPY = """import copier, os, sys
before = sum(os.times()[:4])
copier.run_copy(sys.argv[1], sys.argv[2], defaults=True, quiet=True)
print(sum(os.times()[:4]) - before)
"""


def seconds_to_copy(template: Path, target: Path) -> float:
    """Return the processor's seconds, those of the git that Copier starts included."""
    command = [sys.executable, "-c", COPY, str(template), str(target)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(finished.stdout)


def test_a_copy_costs_little_more_than_plain_files(template: Path, tmp_path: Path) -> None:
    """Interleaved, and the median of the ratios: what slows the machine slows both.

    The time is the processor's, which neither a neighbour's load nor the disk's changes.
    """
    copier.run_copy(str(template), tmp_path / "first", defaults=True, quiet=True)
    plain = tmp_path / "plain"
    for path, content in tree(tmp_path / "first").items():
        file = plain / "template" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (plain / "copier.yml").write_text("_subdirectory: template\n")
    git(plain, "init", "--quiet", "--initial-branch=main")
    commit(plain, "Plain", tag="0.1.0")

    ratios = [
        seconds_to_copy(template, tmp_path / f"template{number}")
        / seconds_to_copy(plain, tmp_path / f"plain{number}")
        for number in range(ROUNDS)
    ]
    assert statistics.median(ratios) <= MAX_RATIO, ratios
