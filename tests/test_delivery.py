"""Dockerfile, manifests and automation of a rendered project, each by itself; ours, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.combinations import COMBINATIONS, FULL, OLDEST_PYTHON
from tests.delivery import (
    CI,
    MANIFESTS,
    Manifests,
    check,
    check_workflows,
    pods,
    probes,
    read,
    read_manifests,
    server,
    workflows,
)
from tests.projects import Run

INGRESS = "deploy/ingress"


@pytest.fixture(scope="session")
def project(run: Run) -> Path:
    return run.rendered(FULL)


@pytest.fixture(scope="session")
def manifests(project: Path) -> Manifests:
    return read_manifests(project)


# The oldest is the first that has preStop's `sleep` switched on; the newest is the validator's own.
@pytest.mark.parametrize("version", [["-k", "1.30"], []], ids=["oldest", "newest"])
def test_manifests_fit_the_published_schemas(project: Path, version: list[str]) -> None:
    files = [
        f"{MANIFESTS}/{name}" for name in read_manifests(project)["Kustomization"]["resources"]
    ]
    files += [
        f"{INGRESS}/{name}" for name in read(project / INGRESS / "kustomization.yaml")["resources"]
    ]
    check(project, "kubernetes-validate", *version, "--strict", *files)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.compose-spec", "compose.yaml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
    ],
)
def test_configuration_fits_its_published_schema(project: Path, schema: str, path: str) -> None:
    check(project, "check-jsonschema", "--builtin-schema", schema, path)


@pytest.mark.parametrize(
    "schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"]
)
def test_automation_fits_its_published_schema(project: Path, schema: str) -> None:
    for folder in (project, ROOT):
        check(folder, "check-jsonschema", "--builtin-schema", schema, *workflows(folder))


def test_dockerfile_passes_its_linter(project: Path) -> None:
    check(project, "hadolint", "Dockerfile")


def test_automation_passes_its_linters(project: Path) -> None:
    """Actions are pinned, permissions least, updates delayed, expressions and scripts sound."""
    for folder in (project, ROOT):
        check(folder, "zizmor", "--offline", "--no-progress", ".github")
        check_workflows(folder)


def test_ci_runs_sessions_that_there_are() -> None:
    """On machines of other kinds it runs a few, which it names."""
    there = {
        f"{'others' if python == OLDEST_PYTHON else 'pythons'}({each.id}, {python})"
        for each in COMBINATIONS
        for python in each.interpreters
    }
    *_, step = read(ROOT / CI)["jobs"]["machine"]["steps"]
    named = re.findall(r'"([^"]+)"', step["run"])
    assert len(named) == 2
    assert set(named) <= there


def test_every_manifest_is_listed(project: Path, manifests: Manifests) -> None:
    files = {path.name for path in (project / MANIFESTS).iterdir()} - {"kustomization.yaml"}
    assert set(manifests["Kustomization"]["resources"]) == files


def test_manifests_refer_to_what_exists(project: Path, manifests: Manifests) -> None:
    (generator,) = manifests["Kustomization"]["configMapGenerator"]
    explained = (project / MANIFESTS / "kustomization.yaml").read_text(encoding="utf-8")
    for pod in pods(manifests):
        (container,) = pod["spec"]["containers"]
        settings, secrets = container["envFrom"]
        assert settings["configMapRef"]["name"] == generator["name"]
        assert f"The Secret {secrets['secretRef']['name']} " in explained
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        assert volumes == {mount["name"] for mount in container.get("volumeMounts", [])}
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (
        "Deployment",
        manifests["Deployment"]["metadata"]["name"],
    )
    ports = {port["name"] for port in server(manifests)["ports"]}
    assert ports == {probe["port"] for probe in probes(manifests)}
    assert ports == {port["targetPort"] for port in manifests["Service"]["spec"]["ports"]}


def test_the_network_lets_requests_to_the_server_alone(project: Path, manifests: Manifests) -> None:
    policy = read(project / INGRESS / "network-policy.yaml")["spec"]
    for pod in pods(manifests):
        labels = {"app.kubernetes.io/name": "app"}
        assert policy["podSelector"]["matchLabels"] == labels
        assert labels.items() <= pod["metadata"]["labels"].items()
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == [
        port["name"] for port in server(manifests)["ports"]
    ]
    ingress = read(project / INGRESS / "ingress.yaml")["spec"]
    (path,) = ingress["rules"][0]["http"]["paths"]
    service = manifests["Service"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in {
        port["name"] for port in service["spec"]["ports"]
    }


def test_compose_publishes_ports_on_this_machine_alone(project: Path) -> None:
    services = read(project / "compose.yaml")["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 3  # the application, PostgreSQL and Redis
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_selectors_mean_the_server_and_not_the_migration(manifests: Manifests) -> None:
    deployment, job = manifests["Deployment"]["spec"], manifests["Job"]["spec"]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        manifests["Service"]["spec"]["selector"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        deployment["selector"]["matchLabels"],
        *(constraint["labelSelector"]["matchLabels"] for constraint in spread),
    ]
    for selector in selectors:
        assert selector.items() <= deployment["template"]["metadata"]["labels"].items()
        assert not selector.items() <= job["template"]["metadata"]["labels"].items()


def test_a_release_applies_the_server_last(project: Path, manifests: Manifests) -> None:
    """The documented order rests on one label: what has it waits for the migration."""
    text = (project / MANIFESTS / "kustomization.yaml").read_text(encoding="utf-8")
    (label, first, second) = re.findall(r"-l '([\w./]+) notin \((\w+), (\w+)\)'", text)[0]
    waiting = {
        kind
        for kind, manifest in manifests.items()
        if manifest.get("metadata", {}).get("labels", {}).get(label) in {first, second}
    }
    assert waiting == manifests.keys() - {"Job", "Kustomization"}
    assert f"job/{manifests['Job']['metadata']['name']}\n" in text


def test_pods_fit_the_restricted_profile(manifests: Manifests) -> None:
    """By the Pod Security Standards' restricted profile, and the file system read-only besides."""
    found = list(pods(manifests))
    assert len(found) == 3
    for pod in found:
        spec = pod["spec"]
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert spec["automountServiceAccountToken"] is False
        # Injected variables such as POSTGRES_PORT=tcp://… would be read as settings.
        assert spec["enableServiceLinks"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_compose_has_no_default_secret(project: Path) -> None:
    services = read(project / "compose.yaml")["services"]
    secrets = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if name in {"POSTGRES_PASSWORD", "SECRET_KEY"}
    ]
    assert len(secrets) == 7
    for value in secrets:
        assert re.fullmatch(r"\$\{\w+:\?set it in \.env [^}]+\}", value)
