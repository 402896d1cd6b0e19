"""The rendered suite on a busy machine and in any order: time is moved in it, not waited for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.projects import Project

LOOPS = 8
RUNS = 5
# A loop ends by itself, should this process be killed.
LOOP = "import sys, time\nend = time.time() + float(sys.argv[1])\nwhile time.time() < end: pass"
RUN_SECONDS = 1800.0


@contextmanager
def busy_loops(number: int, *, seconds: float) -> Iterator[None]:
    """Keep the processors busy until the block ends."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP, str(seconds)]) for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_the_suite_passes_beside_busy_loops_and_in_random_order(full: Project, seed: int) -> None:
    with busy_loops(LOOPS, seconds=RUN_SECONDS):
        finished = full.run(
            *("uv", "run", "--no-sync", "--with", "pytest-randomly", "pytest", "-q", "-n", "2"),
            *("-p", "no:cacheprovider", f"--randomly-seed={seed}"),
            timeout=RUN_SECONDS,
        )
    finished.must_succeed()
