"""Runs benchmarks in a rendered project: `python -m tests.benchmarks FOLDER [NAME …]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.combinations import FULL
from tests.projects import Run

ROOT = Path(__file__).resolve().parents[2]
# By the folder whose `tests` it imports from: this repository's, or the project's.
BENCHMARKS = {
    "overhead": ROOT,
    "rows": ROOT,
    "start": ROOT,
    "scaffold": ROOT,
    "ingest": None,
    "jobs": None,
}


def main() -> int:
    """Run the benchmarks that are named, all unless some are; 1 when one exceeds its limit."""
    folder, *names = sys.argv[1:]
    run = Run(Path(folder))
    project = run.project(FULL)
    arguments = {"scaffold": (run.template(), sys.executable)}
    codes = []
    for name in names or BENCHMARKS:
        script = Path(__file__).with_name(f"{name}.py")
        print(f"\n{name}\n", flush=True)
        ended = subprocess.run(
            ["uv", "run", "--no-sync", "python", script, *arguments.get(name, ())],
            cwd=project.folder,
            env=project.environment | {"PYTHONPATH": str(BENCHMARKS[name] or project.folder)},
            check=False,
        )
        codes.append(ended.returncode)
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
