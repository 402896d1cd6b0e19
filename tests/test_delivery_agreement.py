"""The files of a delivery agree with the application and with each other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.combinations import BARE, FULL, PYTHONS
from tests.delivery import (
    CI,
    Manifests,
    example_overlay,
    generated_settings,
    image_environment,
    pods,
    probes,
    read,
    read_manifests,
    server,
)
from tests.projects import Project, Run

# PostgreSQL's defaults: max_connections less superuser_reserved_connections.
SERVER_CONNECTIONS = 100 - 3

TIMESCALE_CI = ".github/workflows/timescaledb.yml"

# Run inside the rendered project.
FACTS = """
import json, os, secrets
os.environ |= {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://app@localhost/app",
    "SECRET_KEY": secrets.token_hex(32),
}
from app.core.config import get_settings
from app.core.config.loading import known_variables
from app.core.health import HealthCheck
from devtools.embedded_postgres.programs import find_installation
from app.main import create_app
settings = get_settings()
print(json.dumps({
    "variables": sorted(known_variables()),
    "paths": sorted(create_app(settings).openapi()["paths"]),
    "port": settings.api.port,
    "processes": settings.api.workers,
    "stop_seconds": settings.stop_seconds,
    "graceful_seconds": settings.api.graceful_shutdown_seconds,
    "job_seconds": settings.jobs.grace_seconds,
    "postgres": find_installation(None).major,
    "check_seconds": HealthCheck._field_defaults["timeout_seconds"],
}))
"""


@pytest.fixture(scope="session")
def project(run: Run) -> Path:
    return run.rendered(FULL)


@pytest.fixture(scope="session")
def manifests(project: Path) -> Manifests:
    return read_manifests(project)


@pytest.fixture(scope="session")
def installed(run: Run) -> Project:
    return run.project(FULL)


@pytest.fixture(scope="session")
def application(installed: Project) -> dict[str, Any]:
    """Facts that the application tells about itself."""
    done = installed.tool("python", "-c", FACTS)
    assert done.code == 0, done
    facts: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return facts


def test_named_variables_are_settings(
    project: Path, manifests: Manifests, application: dict[str, Any]
) -> None:
    services = read(project / "compose.yaml")["services"]
    of_the_interpreter = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    named = {
        "app in compose.yaml": services["app"]["environment"].keys(),
        "migrate in compose.yaml": services["migrate"]["environment"].keys(),
        "kustomization.yaml": generated_settings(manifests["Kustomization"]).keys(),
        "the example overlay": generated_settings(example_overlay(project)).keys(),
        "Dockerfile": image_environment(project).keys() - of_the_interpreter,
    }
    for place, names in named.items():
        assert names, place
        assert names <= set(application["variables"]), place


def test_probed_paths_are_routes(
    project: Path, manifests: Manifests, application: dict[str, Any]
) -> None:
    probed = {probe["path"] for probe in probes(manifests)}
    for path in ("Dockerfile", CI):
        found = re.findall(r"/api/v1/[a-z/]+", (project / path).read_text(encoding="utf-8"))
        assert found, path
        probed |= set(found)
    assert probed == {"/api/v1/health/live", "/api/v1/health/ready"}
    assert probed <= set(application["paths"])


def test_readiness_waits_for_its_checks(manifests: Manifests, application: dict[str, Any]) -> None:
    """Otherwise a slow dependency is a probe without an answer instead of a 503 with a reason."""
    assert server(manifests)["readinessProbe"]["timeoutSeconds"] > application["check_seconds"]


def test_grace_periods_add_up(
    project: Path, manifests: Manifests, application: dict[str, Any]
) -> None:
    """Parts stop one after another: requests, their events, reports, connections."""
    settings = generated_settings(manifests["Kustomization"])
    assert int(settings["API_GRACEFUL_SHUTDOWN_SECONDS"]) == application["graceful_seconds"]
    waiting = server(manifests)["lifecycle"]["preStop"]["sleep"]["seconds"]
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert waiting + application["stop_seconds"] + 5 <= pod["terminationGracePeriodSeconds"]
    compose = read(project / "compose.yaml")["services"]["app"]["stop_grace_period"]
    assert application["stop_seconds"] + 5 <= int(compose.removesuffix("s"))
    assert float(settings["JOBS_GRACE_SECONDS"]) == application["job_seconds"]
    # A worker has jobs in place of requests.
    seconds = application["stop_seconds"] - application["graceful_seconds"]
    seconds += application["job_seconds"] + 5
    pod = manifests["Worker"]["spec"]["template"]["spec"]
    assert seconds <= pod["terminationGracePeriodSeconds"]
    compose = read(project / "compose.yaml")["services"]["worker"]["stop_grace_period"]
    assert seconds <= int(compose.removesuffix("s"))


def test_ports_agree(project: Path, manifests: Manifests, application: dict[str, Any]) -> None:
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    (published,) = read(project / "compose.yaml")["services"]["app"]["ports"]
    on_host, in_container = re.findall(r":-?(\d+)", published)
    found = {
        on_host,
        in_container,
        image_environment(project)["API_PORT"],
        *re.findall(r"^EXPOSE (\d+)$", dockerfile, flags=re.MULTILINE),
        *(str(port["containerPort"]) for port in server(manifests)["ports"]),
        generated_settings(manifests["Kustomization"])["API_PORT"],
    }
    assert found == {str(application["port"])}
    assert published.startswith("127.0.0.1:")


def test_all_replicas_find_a_connection(manifests: Manifests, application: dict[str, Any]) -> None:
    """A process has a pool for changes, one for reading, and a connection for probes."""
    settings = generated_settings(manifests["Kustomization"])
    connections = application["processes"] * (2 * int(settings["DATABASE_POOL_SIZE"]) + 1)
    surge = manifests["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    pods_at_most = manifests["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] + surge
    worker = manifests["Worker"]["spec"]
    assert worker["strategy"]["rollingUpdate"]["maxSurge"] == 0
    # A worker has the same pools, and two connections to the queue.
    taken = worker["replicas"] * (2 * int(settings["JOBS_CONCURRENCY"]) + 2)
    assert pods_at_most * connections + taken <= SERVER_CONNECTIONS


def test_the_example_overlay_fits_the_base(project: Path, manifests: Manifests) -> None:
    overlay = example_overlay(project)
    used = {pod["spec"]["containers"][0]["image"].split(":")[0] for pod in pods(manifests)}
    assert used == {image["name"] for image in overlay["images"]}
    (base,) = manifests["Kustomization"]["configMapGenerator"]
    (merged,) = overlay["configMapGenerator"]
    assert (merged["name"], merged["behavior"]) == (base["name"], "merge")


def test_python_versions_agree(project: Path) -> None:
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = read(project / CI)["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert tuple(tested) == PYTHONS
    supported = SpecifierSet(metadata["requires-python"])
    minors = [f"3.{minor}" for minor in range(20)]
    assert next(version for version in minors if f"{version}.99" in supported) == tested[0]
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    (served,) = re.findall(r"^FROM python:(\d+\.\d+)-", dockerfile, flags=re.MULTILINE)
    assert served in tested


def test_postgres_versions_agree(run: Run, application: dict[str, Any]) -> None:
    """Without and with TimescaleDB, whose image names the version of both."""
    for combination, files in ((BARE, (CI,)), (FULL, (CI, TIMESCALE_CI))):
        project = run.rendered(combination)
        used = [read(project / "compose.yaml")["services"]["postgres"]["image"]]
        jobs = [job for file in files for job in read(project / file)["jobs"].values()]
        services = [service for job in jobs for service in job.get("services", {}).values()]
        used += [service["image"] for service in services]
        plain = {image for image in used if image.startswith("postgres:")}
        assert len(plain) == 1
        assert re.fullmatch(rf"postgres:{application['postgres']}-\w+", plain.pop())
        extended = {image for image in used if not image.startswith("postgres:")}
        assert len(extended) == (1 if combination is FULL else 0)
        for image in extended:
            version = rf"timescale/timescaledb:2\.\d+\.\d+-pg{application['postgres']}"
            assert re.fullmatch(version, image)


def test_uv_versions_agree(project: Path) -> None:
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    (backend,) = map(Requirement, metadata["build-system"]["requires"])
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^FROM ghcr\.io/astral-sh/uv:(\S+) AS uv$", dockerfile, re.MULTILINE)
    assert backend.name == "uv_build"
    assert version in backend.specifier
    steps = [step for job in read(project / CI)["jobs"].values() for step in job["steps"]]
    used = {step["with"]["version"] for step in steps if "setup-uv" in step.get("uses", "")}
    assert used == {version.rsplit(".", 1)[0] + ".x"}


def test_commits_are_checked_as_ci_checks_them(project: Path, installed: Project) -> None:
    """Hooks and CI run the same tools, all of them the project's own, but tests and migrations."""
    local, *foreign = read(project / ".pre-commit-config.yaml")["repos"]
    jobs = read(project / CI)["jobs"].values()
    commands = [step.get("run", "") for job in jobs for step in job["steps"]]
    steps = {tool_of(command) for command in commands if command.startswith("uv run ")}
    assert {tool_of(hook["entry"]) for hook in local["hooks"]} == steps - {"pytest", "app"}
    for tool in steps:
        ended = installed.tool(*tool.split(), "--help")
        assert ended.code == 0, ended
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", repository["rev"]) for repository in foreign)


def tool_of(command: str) -> str:
    """The tool of `uv run ruff format --check` is `ruff format`."""
    words = command.removeprefix("uv run ").split()
    return " ".join(words[: 2 if words[0] == "ruff" else 1])


def test_the_suite_reads_what_ci_sets(project: Path) -> None:
    variables = read(project / CI)["jobs"]["tests-on-service"]["env"]
    suite = "".join(path.read_text(encoding="utf-8") for path in project.glob("tests/**/*.py"))
    assert set(variables) == {"TEST_DATABASE_URL"}
    assert "TEST_DATABASE_URL" in suite
