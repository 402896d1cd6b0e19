"""The time from the scaffold command to the first 200, against a plain application's.

Run it with a rendered project's Python, in the project's folder, with this repository on
PYTHONPATH: `python scaffold.py TEMPLATE PYTHON`, a Python that has Copier. A round renders a
project by `ashlar new` and starts it by `uv run app dev`; then it installs the floor (plain.py and
a migration of one table), migrates its database, which is there already, and starts it. Packages
come from uv's cache, which the first round fills: the others ask no registry. The seconds of
`copier copy` in place of `ashlar new` are measured beside it.
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
from dataclasses import dataclass, fields
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


@dataclass(frozen=True, kw_only=True)
class Round:
    """The seconds of a round.

    Attributes:
        new: `ashlar new`.
        copy: `copier copy` of the same.
        dev: `uv run app dev`, to the first 200.
        floor: The floor's steps, to its first 200.
    """

    new: float
    copy: float
    dev: float
    floor: float


def seconds_of(folder: Path, *command: str) -> float:
    """Run a command in a folder, and return the seconds that it took."""
    began = time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def seconds_until_ready(folder: Path, port: int, *serve: str) -> float:
    """Run a command that serves; return the seconds until it is ready, and stop it."""
    began = time.perf_counter()
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


def one_round(template: str, python: str) -> Round:
    """Measure the project, and the floor."""
    with tempfile.TemporaryDirectory(prefix="scaffold-") as made:
        folder, port = Path(made), free_port()
        # The floor's own address would be taken for the project's.
        address = os.environ.pop("DATABASE_URL")
        asked = ("--defaults", "--template", template, "service")
        new = seconds_of(folder, python, "-m", "ashlar", "new", *asked)
        asked = ("--defaults", "--quiet", template, "copied")
        copy = seconds_of(folder, python, "-m", "copier", "copy", *asked)
        service = ("--directory", "service", "app", "dev", "--port", str(port))
        dev = seconds_until_ready(folder, port, "uv", "run", *service)
        os.environ["DATABASE_URL"] = address
        plain = write_plain(folder / "plain")
        floor = seconds_of(plain, "uv", "sync")
        floor += seconds_of(plain, "uv", "run", "alembic", "upgrade", "head")
        serve = ("uvicorn", "plain:create_app", "--factory", "--port", str(port))
        floor += seconds_until_ready(plain, port, "uv", "run", *serve)
        return Round(new=new, copy=copy, dev=dev, floor=floor)


def write_plain(folder: Path) -> Path:
    """Write the floor, and return its folder."""
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (folder / "migrations" / "versions" / "0001.py").write_text(MIGRATION)
    shutil.copy(Path(__file__).with_name("plain.py"), folder)
    (folder / "migrations" / "env.py").write_text(ENVIRONMENT)
    return folder


def report(rounds: Sequence[Round]) -> Iterator[str]:
    """Say the times, both ratios, and the range of the middle half."""
    for field in fields(Round):
        median = statistics.median(getattr(each, field.name) for each in rounds)
        yield f"{field.name:8}{median:6.1f} s"
    yield ""
    for command, ratios in (
        ("ashlar new", [ratio(each, each.new) for each in rounds]),
        ("copier copy", [ratio(each, each.copy) for each in rounds]),
    ):
        low, median, high = statistics.quantiles(ratios, n=4)
        limit = f", at most {LIMIT}" if command == "ashlar new" else ""
        yield f"from `{command}` to the first 200: {median:.2f} ({low:.2f} to {high:.2f}){limit}"


def ratio(measured: Round, command: float) -> float:
    """Return what a project takes that is rendered in these seconds, in shares of the floor."""
    return (command + measured.dev) / measured.floor


def main() -> int:
    """Bring up a database for the floor, and measure; 1 when the limit is exceeded, else 0."""
    template, python = sys.argv[1:]
    with with_database(command_settings()) as settings:
        os.environ["DATABASE_URL"] = settings.database.address.url.render_as_string(
            hide_password=False
        )
        one_round(template, python)
        os.environ["UV_OFFLINE"] = "1"
        rounds = [one_round(template, python) for _ in range(ROUNDS)]
    print(*report(rounds), sep="\n")
    return int(statistics.median(ratio(each, each.new) for each in rounds) > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
