"""Who knows the SDK: one module, and no process that does not report to Sentry."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[5]
RULE = "Only the monitor's adapter knows Sentry's SDK"

# A start and a stop with Sentry switched off, in a fresh interpreter.
START = """
import asyncio, sys
from app.core.config.http_client import HttpClientSettings
from app.core.config.sentry import SentrySettings
from app.core.monitoring.sentry import reporting_to_sentry
from app.core.stage import Environment
from app.main import create_app

async def start():
    async with reporting_to_sentry(SentrySettings(), HttpClientSettings(), stage=Environment.STAGING, release="x@1"):
        pass

asyncio.run(start())
raise SystemExit("sentry_sdk" in sys.modules)
"""


@pytest.mark.process
def test_a_process_without_sentry_does_not_load_the_sdk() -> None:
    subprocess.run([sys.executable, "-c", START], check=True)


@pytest.mark.process
def test_import_linter_sees_who_else_imports_the_sdk(tmp_path: Path) -> None:
    configuration = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [each for each in configuration["contracts"] if each["name"] == RULE]
    lines = ["[importlinter]", "root_package = app", "include_external_packages = True", "[importlinter:contract:1]"]
    lines += [
        f"{name} = {value if isinstance(value, str) else chr(10).join(['', *(f'    {each}' for each in value)])}"
        for name, value in contract.items()
    ]
    (tmp_path / ".importlinter").write_text("\n".join(lines))
    # As many modules as the rule speaks of, since reading all of them is what takes long.
    for name in ("core/monitoring/sentry/client", "services/users"):
        module = tmp_path / f"src/app/{name}.py"
        module.parent.mkdir(parents=True)
        module.write_text("import sentry_sdk\n")
    for folder in {each.parent for each in (tmp_path / "src/app").rglob("*") if each != tmp_path / "src"}:
        (folder / "__init__.py").touch()
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{RULE} BROKEN" in done.stdout, done.stdout + done.stderr
    assert "app.services.users -> sentry_sdk" in done.stdout
    assert "client -> sentry_sdk" not in done.stdout
