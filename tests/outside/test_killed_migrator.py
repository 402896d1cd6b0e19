"""`app db upgrade` after a client that was killed in the midst of a migration."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from tests.outside.serving import Databases
from tests.projects import Project

# Longer than the test may take: the server must end it, or the next migrator waits in vain.
SLOW = """from pathlib import Path
from alembic import op
revision, down_revision = "0002", "0001"

def upgrade() -> None:
    op.execute("SELECT 1")
    Path("started").touch()
    op.execute("SELECT pg_sleep(SECONDS)")
"""


def test_app_db_upgrade_follows_a_killed_one_and_says_for_whom_it_waits(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(full.folder / name, tmp_path)
    shutil.copytree(full.folder / "migrations", tmp_path / "migrations")
    slow = tmp_path / "migrations" / "versions" / "0002_slow.py"
    slow.write_text(SLOW.replace("SECONDS", "600"))
    command = [str(full.venv / "bin" / "app"), "db", "upgrade"]
    environment = full.environment | {
        "DATABASE_URL": postgres.create(),
        "SECRET_KEY": "outside-0123456789abcdef0123456789abcdef",
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        killed = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=output)
        second = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=output)
        try:
            give_up = time.monotonic() + 60
            while (
                b"waiting for another migrator, which pg_stat_activity" not in log.read_bytes()
                or not (tmp_path / "started").exists()
            ):
                assert time.monotonic() < give_up, log.read_text()
                time.sleep(0.1)
            time.sleep(1)  # the statement after the file is under way
            # One of the two is in the migration; what the other one finds there is quick.
            slow.write_text(SLOW.replace("SECONDS", "0"))
            for process in (killed, second):
                process.kill()
                process.wait()
            ended = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False
            )
        finally:
            for process in (killed, second):
                process.kill()
                process.wait()
    assert b"pg_terminate_backend(" in log.read_bytes()
    assert ended.returncode == 0, ended.stderr
