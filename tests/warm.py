"""A process of a rendered project that has its libraries imported, and forks for each run of tests.

Two thirds of what a single test costs is the import of libraries that no promise is about.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.projects import Finished, Project

# It runs on the project's Python, where the factory's modules are not. Nothing of the project is
# imported before the fork, whose working folder is the root of its tests.
_PROGRAM = """\
import importlib, json, os, signal, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
import pytest
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(order["folder"])
        os.environ.update(order["environment"])
        # What is broken may never end.
        signal.alarm(order["seconds"])
        sys.path[:0] = order["path"]
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = int(pytest.main(order["arguments"]))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

MOST_SECONDS = 300
LIBRARIES = (
    "_pytest.assertion.rewrite",
    "alembic.autogenerate",
    "alembic.command",
    "argon2",
    "asyncpg",
    "cryptography.hazmat.primitives.ciphers.aead",
    "dirty_equals",
    "fastapi.openapi.utils",
    "httpx",
    "jwt",
    "pydantic_settings",
    "questionary",
    "redis.asyncio",
    "rich.console",
    "sentry_sdk",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "stripe",
    "structlog",
    "typer",
    "uvicorn",
)


class WarmPytest:
    """Runs of pytest in copies of a project."""

    def __init__(self, process: subprocess.Popen[str], outputs: Path) -> None:
        self._process = process
        self._output = outputs / "output.txt"

    def run(
        self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Finished:
        """Run pytest with `arguments` in the project in `folder`, and on its sources."""
        order = {
            "folder": str(folder),
            "path": [str(folder / "src"), str(folder / "devtools" / "src")],
            "arguments": list(arguments),
            "environment": dict(environment),
            "output": str(self._output),
            "seconds": MOST_SECONDS,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        output = self._output.read_text(encoding="utf-8", errors="replace")
        return Finished(command=f"pytest {' '.join(arguments)}", code=code, output=output)


@contextmanager
def warm_pytest(project: Project, outputs: Path, **environment: str) -> Iterator[WarmPytest]:
    """Have pytest at hand, on the Python and the dependencies of `project`."""
    program = (str(project.venv / "bin" / "python"), "-c", _PROGRAM, *LIBRARIES)
    process = subprocess.Popen(
        program,
        cwd=outputs,
        env=project.environment | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield WarmPytest(process, outputs)
    finally:
        process.communicate()
