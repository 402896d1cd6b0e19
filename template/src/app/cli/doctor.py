"""`app doctor`: every setting and service checked, a line each."""

# Any module may be the one that cannot be imported, which is a line like any other.
# ruff: noqa: PLC0415

import asyncio
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from app.cli.output import Finding, explain, out

if TYPE_CHECKING:
    from app.core.config import ApplicationSettings
    from app.core.health import HealthCheck

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor() -> None:
    """Check every setting and service, each if those before it work; the exit code is 1 when something does not."""
    failed = False
    for finding in _findings():
        failed = failed or finding.verdict == "failed"
        verdict = (f"{finding.verdict:8}", _STYLES[finding.verdict])
        out.print(Text.assemble(verdict, f"{finding.subject}: {finding.message}"))
        if finding.next_step:
            out.print(f"{'':8}next: {finding.next_step}")
    if failed:
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    # There are no tools for development in the image.
    if find_spec("devtools") is not None:
        from devtools.updates import find_leftovers

        yield from find_leftovers()
    try:
        # It imports every module.
        import_module("app.main")
    except Exception as error:  # noqa: BLE001 — it is shown
        places = [(frame.f_globals.get("__name__", ""), line) for frame, line in traceback.walk_tb(error.__traceback__)]
        module, line = [place for place in places if place[0].startswith("app.")][-1]
        # The text of another error may hold what the module was given.
        text = f": {error}" if isinstance(error, ImportError | SyntaxError) else ""
        message = f"{module}, line {line} cannot be imported ({type(error).__name__}{text})."
        yield Finding("failed", "code", message, "Correct it, or run `uv sync`, which installs packages.")
    else:
        yield from _guarded("settings", _settings)


def _guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds, and what it fails with."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 — any failure at all is what the doctor is for; it is shown
        yield _failure(subject, error)


def _failure(subject: str, error: Exception) -> Finding:
    from app.core.redaction import redact_text

    message = redact_text(f"does not work ({type(error).__name__}: {error})")
    found = explain(error) or (message, "Look for the cause in the service's log, or report it.")
    return Finding("failed", subject, *found)


def _settings() -> Iterator[Finding]:
    from app.cli.settings import command_settings, with_database
    from app.core.logging import configure_logging

    settings = command_settings()
    # What the services log on their way up and down is in the lines here, with a next step.
    configure_logging(level="CRITICAL", json_lines=False)
    yield Finding("ok", "settings", f"{settings.environment}, all valid")
    for remark in settings.remarks():
        yield Finding("warning", "settings", f"{remark.variable} {remark.rule}", "Change it, unless it is meant.")
    with with_database(settings) as ready:
        yield from _guarded("database", lambda: _database(ready))


def _database(settings: "ApplicationSettings") -> Iterator[Finding]:
    from app.cli.settings import require_session_settings

    version, limit = asyncio.run(require_session_settings(settings))
    yield Finding("ok", "database", f"PostgreSQL {version}, {settings.database.address.url.database}")
    # A pool for changes, one for reading, and a connection for probes.
    wanted = settings.api.workers * (2 * (settings.database.pool_size + settings.database.max_overflow) + 1)
    if wanted > limit and settings.database.pooler == "none":
        found = f"its max_connections is {limit}, this service may open {wanted}"
        step = "Lower DATABASE_POOL_SIZE or API_WORKERS, or raise the server's max_connections."
        yield Finding("warning", "database", found, step)
    yield from _guarded("migrations", lambda: _migrations(settings))


def _migrations(settings: "ApplicationSettings") -> Iterator[Finding]:
    from app.cli.migrations import require_current

    require_current(settings.database)
    yield Finding("ok", "migrations", "all applied")
    yield from _guarded("services", lambda: asyncio.run(_services(settings)))


async def _services(settings: "ApplicationSettings") -> list[Finding]:
    """Return a line for the secrets, and for each part that has a health check, set up as in a server."""
    from app.core.health import Health
    from app.core.process import get_object
    from app.wiring import open_services

    async with open_services(settings):
        checks = [check for check in get_object(Health).checks if check.name != "database"]
        return [await _secrets(settings), *[await _checked(check) for check in checks]]


async def _secrets(settings: "ApplicationSettings") -> Finding:
    """Compare the ring with the keys that stored secrets need. Reads which, decrypts nothing."""
    from app.core.database import get_database
    from app.core.secrets import count_by_key

    used = await count_by_key(get_database().reader)
    ring = [key.id for key in settings.secrets.key_materials]
    if lost := {key_id: count for key_id, count in used.items() if key_id not in ring}:
        found = f"{sum(lost.values())} cannot be read: SECRETS_KEYS lacks {', '.join(lost)}"
        step = "Put the missing keys back; take one out only when `app secrets rotate` has finished."
        return Finding("failed", "secrets", found, step)
    if others := sum(count for key_id, count in used.items() if key_id != ring[0]):
        found = f"{others} not under the first key, {ring[0]}"
        return Finding("warning", "secrets", found, "Run `app secrets rotate`.")
    return Finding("ok", "secrets", f"{sum(used.values())} stored{'' if ring else '; storing one needs SECRETS_KEYS'}")


async def _checked(check: "HealthCheck") -> Finding:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            await check.check()
    except Exception as error:  # noqa: BLE001 — as above
        found = _failure(check.name, error)
        return found if check.required else found._replace(verdict="warning")
    return Finding("ok", check.name, "works")
