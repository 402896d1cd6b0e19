"""`app doctor`: every setting and service checked, a line each."""

# Each check imports what it needs: a module that cannot be imported is a line like any other, and the checks that can
# do without it go on.
# ruff: noqa: PLC0415

import asyncio
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
    """Check every setting and service; the exit code is 1 when something does not work."""
    failures = set()
    for subject, check in (("updates", _updates), ("code", _code), ("settings", _settings)):
        for finding in _guarded(subject, check):
            if finding.verdict == "failed":
                # One module that cannot be imported stops several checks; once is enough.
                if finding.message in failures:
                    continue
                failures.add(finding.message)
            verdict = (f"{finding.verdict:8}", _STYLES[finding.verdict])
            out.print(Text.assemble(verdict, f"{finding.subject}: {finding.message}"))
            if finding.next_step:
                out.print(f"{'':8}next: {finding.next_step}")
    if failures:
        raise typer.Exit(1)


def _guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds, and what it fails with."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 — any failure at all is what the doctor is for; it is shown
        yield _failure(subject, error)


def _failure(subject: str, error: Exception) -> Finding:
    if found := explain(error):
        return Finding("failed", subject, *found)
    from app.core.redaction import redact_text

    message = redact_text(f"does not work ({type(error).__name__}: {error})")
    return Finding("failed", subject, message, "Look for the cause in the service's log, or report it.")


def _updates() -> Iterable[Finding]:
    """Find what updates have left to do; nothing where there are no tools for development, as in the image."""
    if find_spec("devtools") is None:
        return ()
    from devtools.updates import find_leftovers

    return find_leftovers()


def _code() -> Iterable[Finding]:
    # The application imports every module, or fails with the first that cannot be.
    import_module("app.main")
    return ()


def _settings() -> Iterator[Finding]:
    from app.cli.settings import command_settings, with_database
    from app.core.config.loading import likely_typos
    from app.core.logging import configure_logging

    settings = command_settings()
    # What the services log on their way up and down is in the lines here, with a next step.
    configure_logging(level="CRITICAL", json_lines=False)
    yield Finding("ok", "settings", f"{settings.environment}, all valid")
    for remark in settings.remarks():
        yield Finding("warning", "settings", f"{remark.variable} {remark.rule}", "Change it, unless it is meant.")
    for typo in likely_typos():
        yield Finding("warning", "environment", f"{typo.variable} {typo.rule}", "Correct or unset it.")
    with with_database(settings) as ready:
        yield from _guarded("database", lambda: [asyncio.run(_database(ready))])
        yield from _guarded("migrations", lambda: _migrations(ready))


async def _database(settings: "ApplicationSettings") -> Finding:
    from sqlalchemy import text

    from app.core.database import Database, check_session_settings

    database = Database(settings.database, application_name="app doctor")
    try:
        await check_session_settings(database)
        async with database.writing.engine.connect() as connection:
            version = await connection.scalar(text("SELECT current_setting('server_version')"))
            limit = int(await connection.scalar(text("SELECT current_setting('max_connections')")) or 0)
    finally:
        await database.close()
    found = f"PostgreSQL {version}, {database.writing.engine.url.database}"
    # A pool for changes, one for reading, and a connection for probes.
    wanted = settings.api.workers * (2 * (settings.database.pool_size + settings.database.max_overflow) + 1)
    if wanted > limit and settings.database.pooler == "none":
        found = f"{found}; its max_connections is {limit}, this service may open {wanted}"
        step = "Lower DATABASE_POOL_SIZE or API_WORKERS, or raise the server's max_connections."
        return Finding("warning", "database", found, step)
    return Finding("ok", "database", found)


def _migrations(settings: "ApplicationSettings") -> Iterator[Finding]:
    from app.cli import migrations

    migrations.require_current(settings.database)
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
