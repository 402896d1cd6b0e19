"""The time from the scaffold command to the first 200, against a plain application's.

Run it with a rendered project's Python, in the project's folder, with this repository on
PYTHONPATH: `python scaffold.py TEMPLATE PYTHON`, a Python that has Copier. A round renders a
project and starts it by `uv run app dev`; then it installs the floor (plain.py and a migration of
one table), migrates its database, which is there already, and starts it. Packages come from uv's
cache, which the first round fills.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.cli.settings import command_settings, with_database

from tests.benchmarks.start import free_port, wait_until_ready

ROUNDS = 5
LIMIT = 2.0
PROJECT = """[project]
name = "plain"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["alembic", "asyncpg", "fastapi", "sqlalchemy[asyncio]", "uvicorn[standard]"]
"""
MIGRATION = '''"""One table."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    key = sa.Column("id", sa.Uuid, primary_key=True)
    op.create_table("things", key, sa.Column("name", sa.Text))
'''
# As Alembic's own template for asynchronous drivers has it.
ENVIRONMENT = """import asyncio
import os

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine


def run(connection: Connection) -> None:
    context.configure(connection=connection, version_table="plain_version")
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
"""


def seconds_until_ready(folder: Path, steps: Sequence[Sequence[str]], port: int) -> float:
    """Run commands in a folder, the last of which serves; return the seconds until it is ready."""
    *before, serve = steps
    began = time.perf_counter()
    for step in before:
        subprocess.run(
            step,
            cwd=folder,
            env=environment(),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    process = subprocess.Popen(
        serve,
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/api/v1/health/ready")
        return time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)


def environment() -> dict[str, str]:
    """Return this process's environment without its project and its settings."""
    foreign = ("VIRTUAL_ENV", "UV_PROJECT", "PYTHON", "ENVIRONMENT", "SECRET_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def one_round(template: str, python: str) -> tuple[float, float]:
    """Return the seconds of the project, and of the floor."""
    with tempfile.TemporaryDirectory(prefix="scaffold-") as made:
        folder, port = Path(made), free_port()
        copy = (python, "-m", "copier", "copy", "--defaults", "--quiet", template, "service")
        dev = ("uv", "run", "--directory", "service", "app", "dev", "--port", str(port))
        # The floor's own address would be taken for the project's.
        address = os.environ.pop("DATABASE_URL")
        project = seconds_until_ready(folder, (copy, dev), port)
        os.environ["DATABASE_URL"] = address
        plain = write_plain(folder / "plain")
        migrate = ("uv", "run", "alembic", "upgrade", "head")
        serve = ("uv", "run", "uvicorn", "plain:create_app", "--factory", "--port", str(port))
        return project, seconds_until_ready(plain, (("uv", "sync"), migrate, serve), port)


def write_plain(folder: Path) -> Path:
    """Write the floor, and return its folder."""
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (folder / "migrations" / "versions" / "0001.py").write_text(MIGRATION)
    shutil.copy(Path(__file__).with_name("plain.py"), folder)
    (folder / "migrations" / "env.py").write_text(ENVIRONMENT)
    return folder


def report(rounds: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Say both times, their ratio, and the range of the middle half."""
    for name, figures in zip(("project", "plain"), zip(*rounds, strict=True), strict=True):
        yield f"{name:8}{statistics.median(figures):6.1f} s"
    low, ratio, high = statistics.quantiles([a / b for a, b in rounds], n=4)
    within = f"({low:.2f} to {high:.2f})"
    yield f"\nfrom the command to the first 200: {ratio:.2f} {within}, at most {LIMIT}"


def main() -> int:
    """Bring up a database for the floor, and measure; 1 when the limit is exceeded, else 0."""
    template, python = sys.argv[1:]
    with with_database(command_settings()) as settings:
        os.environ["DATABASE_URL"] = settings.database.address.url.render_as_string(
            hide_password=False
        )
        rounds = [one_round(template, python) for _ in range(ROUNDS + 1)][1:]
    print(*report(rounds), sep="\n")
    return int(statistics.median(a / b for a, b in rounds) > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
