"""`app doctor`: every setting and service checked, a line each."""

import asyncio
from collections.abc import Iterator

import typer
from rich.text import Text
from sqlalchemy import text

from app.cli import migrations
from app.cli.finding import Finding, failure
from app.cli.leftovers import leftovers
from app.cli.output import out
from app.cli.settings import command_settings, with_database
from app.core.config import ApplicationSettings
from app.core.config.database import Pooler
from app.core.config.loading import likely_typos
from app.core.database import (
    Database,
    check_session_settings,
    close_database,
    get_connection_info,
    get_database,
    init_database,
)
from app.core.exceptions import AppException
from app.core.health import HealthCheck
from app.core.redaction import redact_text
from app.core.secrets import count_by_key
from app.wiring import open_services

_DATABASE = "database"
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor() -> None:
    """Check every setting and service; the exit code is 1 when something does not work."""
    failed = False
    for finding in _findings():
        failed = failed or finding.verdict == "failed"
        line = Text.assemble(
            (f"{finding.verdict:8}", _STYLES[finding.verdict]), f"{finding.subject}: {finding.message}"
        )
        out.print(line)
        if finding.next_step:
            out.print(Text(f"{'':8}next: {finding.next_step}"))
    if failed:
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    yield from leftovers()
    try:
        settings = command_settings()
    except AppException as error:
        yield failure("settings", error)
        return
    yield Finding("ok", "settings", f"{settings.environment}, all valid")
    for remark in settings.remarks():
        yield Finding("warning", "settings", f"{remark.variable} {remark.rule}")
    for typo in likely_typos():
        yield Finding("warning", "environment", f"{typo.variable} {typo.rule}", "Correct or unset it.")
    try:
        with with_database(settings) as ready:
            yield asyncio.run(_database(ready))
            yield from _migrations(ready)
    except AppException as error:
        yield failure(_DATABASE, error)


async def _database(settings: ApplicationSettings) -> Finding:
    init_database(settings.database, application_name="app doctor")
    try:
        async with get_database().engine.connect() as connection:
            row = (
                await connection.execute(
                    text("SELECT current_setting('server_version'), current_setting('max_connections')::int")
                )
            ).one()
        await check_session_settings(get_database())
        where = get_connection_info()
        # One more for each process: the probes' own.
        wanted = settings.api.workers * (settings.database.pool_size + settings.database.max_overflow + 1)
        found = f"PostgreSQL {row[0]}, {where.database} on {where.host}"
        if settings.database.pooler is Pooler.TRANSACTION:
            found += " through a pooler"
        elif wanted > row[1]:
            return Finding(
                "warning",
                _DATABASE,
                f"{found}; its max_connections is {row[1]}, this service may open {wanted}",
                "Lower DATABASE_POOL_SIZE or API_WORKERS, or raise the server's max_connections.",
            )
        return Finding("ok", _DATABASE, found)
    finally:
        await close_database()


def _migrations(settings: ApplicationSettings) -> Iterator[Finding]:
    try:
        migrations.require_current(settings.database)
    except AppException as error:
        yield failure("migrations", error)
    else:
        yield Finding("ok", "migrations", "all applied")
        yield asyncio.run(_secrets(settings))
        yield from asyncio.run(_services(settings))


async def _secrets(settings: ApplicationSettings) -> Finding:
    """Whether the ring holds every key that a stored secret needs. Reads which, decrypts nothing."""
    database = Database(settings.database, application_name="app doctor")
    try:
        async with database.read_session() as session:
            used = await count_by_key(session)
    finally:
        await database.close()
    ring = [key.id for key in settings.secrets.key_materials]
    if lost := {key_id: count for key_id, count in used.items() if key_id not in ring}:
        return Finding(
            "failed",
            "secrets",
            f"{sum(lost.values())} cannot be read: SECRETS_KEYS lacks {', '.join(lost)}",
            "Put the missing keys back; take one out only when `app secrets rotate` has finished.",
        )
    others = sum(used.values()) - (used.get(ring[0], 0) if ring else 0)
    if others:
        return Finding(
            "warning", "secrets", f"{others} under other keys than the first, {ring[0]}", "Run `app secrets rotate`."
        )
    if not ring:
        return Finding("ok", "secrets", "none stored; storing one needs SECRETS_KEYS")
    return Finding("ok", "secrets", f"{sum(used.values())} stored, all under {ring[0]}")


async def _services(settings: ApplicationSettings) -> list[Finding]:
    """A line for each part that has a health check, set up as a server would; the database has its line already."""
    async with open_services(settings) as process:
        return [await _checked(check) for check in process.health_checks if check.name != _DATABASE]


async def _checked(check: HealthCheck) -> Finding:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            await check.check()
    except AppException as error:
        found = failure(check.name, error)
    except Exception as error:  # noqa: BLE001 — any failure at all is what the check is for; it is shown
        found = Finding("failed", check.name, f"does not work ({type(error).__name__}: {redact_text(str(error))})")
    else:
        return Finding("ok", check.name, "works")
    return found if check.required else found._replace(verdict="warning")
