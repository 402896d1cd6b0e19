"""Reading what a rendered project is delivered with: image, manifests, automation."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = "deploy/kubernetes"
CI = ".github/workflows/ci.yml"
_TOOLS = Path(sys.executable).parent

Manifests = dict[str, dict[str, Any]]


def read(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def read_manifests(project: Path) -> Manifests:
    """Return the cluster's objects by their kind, the worker's deployment as "Worker".

    Raises:
        ValueError: There are two of a kind, one of which would go unseen.
    """
    by_kind: Manifests = {}
    for path in sorted((project / MANIFESTS).glob("*.yaml")):
        manifest = read(path)
        kind = "Worker" if path.name.startswith("worker-") else manifest["kind"]
        if kind in by_kind:
            raise ValueError(f"{path.name} is a second {kind}")
        by_kind[kind] = manifest
    return by_kind


def pods(manifests: Manifests) -> Iterator[dict[str, Any]]:
    """Yield the pod template of every workload, also of kinds that are added later."""
    for manifest in manifests.values():
        if "template" in manifest.get("spec", {}):
            yield manifest["spec"]["template"]


def server(manifests: Manifests) -> dict[str, Any]:
    """Return the server's container."""
    (container,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def probes(manifests: Manifests) -> list[dict[str, Any]]:
    """Return what the server's three probes ask."""
    container = server(manifests)
    return [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]


def generated_settings(kustomization: dict[str, Any]) -> dict[str, str]:
    """Return the settings of a kustomization's one generated config map."""
    (generator,) = kustomization["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generator["literals"])


def example_overlay(project: Path) -> dict[str, Any]:
    """Return the overlay that kustomization.yaml shows in its first comment."""
    text = (project / MANIFESTS / "kustomization.yaml").read_text(encoding="utf-8")
    lines = re.findall(r"^#   (?!kubectl)(.*)$", text, flags=re.MULTILINE)
    overlay: dict[str, Any] = yaml.safe_load("\n".join(lines))
    return overlay


def image_environment(project: Path) -> dict[str, str]:
    """Return the variables of the Dockerfile's last stage."""
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    stage = dockerfile.split("\nFROM ")[-1].replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", stage, flags=re.MULTILINE)
    return dict(re.findall(r'(\w+)="?([^"\s]+)"?', line))


def workflows(folder: Path) -> list[str]:
    """Return the paths of a repository's workflows."""
    found = sorted((folder / ".github/workflows").iterdir())
    return [str(path.relative_to(folder)) for path in found]


def check_workflows(folder: Path) -> None:
    """Check workflows by jactionlint, and the scripts in them by shellcheck.

    It is the fork of actionlint that comes as a wheel, where others fetch a binary from elsewhere.
    """
    # Images are named by their versions, as in compose.yaml.
    options = ("--strict-exit", "--no-hints", "--ignore=unpinned-images")
    shellcheck = shutil.which("shellcheck", path=_TOOLS) or ""
    check(folder, "jactionlint", *options, f"--shellcheck={shellcheck}", *workflows(folder))


def check(folder: Path, tool: str, *arguments: str) -> None:
    """Run one of the factory's tools in a folder; AssertionError unless it is content."""
    done = subprocess.run(
        [_TOOLS / tool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
