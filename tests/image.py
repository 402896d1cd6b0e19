"""Building a rendered project's image without Docker: the Dockerfile's own steps, in a folder.

Understood is what the Dockerfile uses, and anything else is an error. What only a container has
(another root, other users, a read-only file system) is not imitated.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """The instructions of a stage that have an effect on a folder or on a process.

    Attributes:
        steps: COPY and RUN, in order, with their arguments.
        environment: The variables it sets.
        command: What a container runs.
        probe: What its health check runs.
    """

    steps: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    probe: list[str] = field(default_factory=list)


def read_stages(dockerfile: Path) -> dict[str, Stage]:
    """Return the stages by their names.

    Raises:
        ValueError: It has an instruction unknown here.
    """
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages: dict[str, Stage] = {}
    stage = Stage()
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        keyword, _, rest = line.partition(" ")
        match keyword:
            case "FROM":
                stage = stages[rest.split(" AS ")[1]] = Stage()
            case "COPY" | "RUN":
                stage.steps.append((keyword, rest))
            case "ENV":
                stage.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
            case "CMD":
                stage.command = json.loads(rest)
            case "HEALTHCHECK":
                stage.probe = json.loads(rest.split(" CMD ", 1)[1])
            case "" | "WORKDIR" | "USER" | "EXPOSE" | "STOPSIGNAL" | "ARG" | "LABEL":
                pass
            case _:
                raise ValueError(f"{keyword} is not understood here")
    return stages


def allowed_context(project: Path, target: Path) -> None:
    """Copy what .dockerignore lets into a build: everything is shut out, then some names let in."""
    shut, *rules = [
        line
        for line in (project / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    if shut != "*":
        raise ValueError(".dockerignore does not begin by shutting everything out")
    nested = [rule.removeprefix("**/") for rule in rules if not rule.startswith("!")]
    target.mkdir()
    for name in (rule.removeprefix("!") for rule in rules if rule.startswith("!")):
        if (project / name).is_dir():
            shutil.copytree(project / name, target / name, ignore=shutil.ignore_patterns(*nested))
        elif (project / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, target / name)


def build(project: Path, folder: Path, environment: dict[str, str]) -> Stage:
    """Build `project` into `folder`/app and return how a container of it runs.

    Args:
        project: Where the Dockerfile is.
        folder: A new folder.
        environment: The variables of the machine that builds.

    Raises:
        subprocess.CalledProcessError: A step failed; its output is in the error.
        ValueError: The Dockerfile has something unknown here.
    """
    stages = read_stages(project / "Dockerfile")
    context, app, kept = folder / "context", folder / "app", folder / "kept"
    folder.mkdir()
    allowed_context(project, context)
    # A build makes the environment that it hands on, wherever this machine keeps its own.
    outside = {k: v for k, v in environment.items() if k != "UV_PROJECT_ENVIRONMENT"}
    for name in ("builder", "runtime"):
        app.mkdir()
        for keyword, rest in stages[name].steps:
            if keyword == "RUN":
                command = re.sub(r"--mount=\S+ +", "", rest)
                if command.startswith("groupadd "):
                    continue
                subprocess.run(
                    ["sh", "-ec", command],
                    cwd=app,
                    env=outside | stages[name].environment,
                    capture_output=True,
                    text=True,
                    check=True,
                )
            elif rest.startswith("--from=builder /app/"):
                source = rest.split()[1].removeprefix("/app/")
                shutil.move(kept / source, app / source)
            elif not rest.startswith("--from="):
                _copy(rest.split(), context, app)
        if name == "builder":
            # Its environment holds absolute paths, so the next stage is made in the same place.
            app.rename(kept)
    shutil.rmtree(kept)
    return stages["runtime"]


def _copy(words: list[str], context: Path, app: Path) -> None:
    *sources, target = words
    found = [path for pattern in sources if pattern != "." for path in context.glob(pattern)]
    for source in found or [context]:
        if source.is_dir():
            shutil.copytree(source, app / target, dirs_exist_ok=True)
        else:
            (app / target).mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, app / target)


def container_environment(stage: Stage, folder: Path, **given: str) -> dict[str, str]:
    """Return the variables of a process in a container, and none of this machine's but PATH."""
    variables = dict(stage.environment)
    variables["PATH"] = f"{folder / 'app' / '.venv' / 'bin'}:{os.environ['PATH']}"
    return variables | given
