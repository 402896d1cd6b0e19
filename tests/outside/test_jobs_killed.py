"""Every committed job runs, and none that was rolled back, whatever is killed meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.outside.serving import databases
from tests.projects import Project

DRIVER = Path(__file__).with_name("jobs_killed.py")


@pytest.mark.long
@pytest.mark.parametrize(("requests", "kills", "restarts"), [(100, 10, 1), (1000, 200, 20)])
def test_every_committed_job_runs_although_servers_workers_and_the_database_are_killed(
    requests: int, kills: int, restarts: int, full: Project, tmp_path: Path
) -> None:
    with databases(full, tmp_path / "postgres") as server:
        settings = {
            "DATABASE_URL": server.create(),
            "SECRET_KEY": "outside-0123456789abcdef0123456789abcdef",
            "JOBS_LEASE_SECONDS": "3",
            "LOG_LEVEL": "ERROR",
        }
        full.tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()
        driven = full.tool(
            "python",
            str(DRIVER),
            "drive",
            str(requests),
            str(kills),
            str(restarts),
            timeout=3000,
            **settings,
        )
    driven.must_succeed()
    counts = json.loads(driven.output.splitlines()[-1])
    print(counts)

    assert counts["committed"] >= counts["answered"] >= requests // 2
    assert counts["lost"] == counts["made_up"] == counts["waiting"] == counts["put_aside"] == 0, (
        counts
    )
    assert (counts["kills"], counts["restarts"]) == (kills, restarts)
    # At least once, and not much more often: a kill has up to JOBS_CONCURRENCY jobs under way.
    assert counts["repeated"] <= 10 * kills
