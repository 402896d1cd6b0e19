"""Sentry's SDK, set up so that each error is reported once, and nothing secret or personal leaves."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration
from sentry_sdk.integrations.starlette import StarletteIntegration
from sentry_sdk.types import Event, Hint

from app.core.config.section import Environment
from app.core.config.sentry import SentrySettings
from app.core.exceptions import AppException
from app.core.monitoring import Level, Reporter, monitor
from app.core.redaction import redact


@asynccontextmanager
async def reporting_to_sentry(
    settings: SentrySettings, *, stage: Environment, distribution: str
) -> AsyncIterator[None]:
    """Send what the monitor reports to Sentry.

    An error that comes out of the block, which is what a start or a stop fails with, is reported before it goes on.
    At the end what waits is sent, for SENTRY_FLUSH_SECONDS at most, and nothing from then on.
    """
    reporter = SentryReporter(settings, stage=stage, release=f"{distribution}@{version(distribution)}")
    monitor.reporter = reporter
    try:
        yield
    except Exception as err:
        # Not by `monitor.capture_exception`: the server logs this one by itself.
        reporter.capture_exception(err, {"operation": "process.lifespan"})
        raise
    finally:
        monitor.reporter = Reporter()
        # A thread of its own: the common ones may all be taken by what the process is stopped for.
        threads = ThreadPoolExecutor(1, thread_name_prefix="sentry-flush")
        await asyncio.get_running_loop().run_in_executor(threads, reporter.close, settings.flush_seconds)


class SentryReporter(Reporter):
    """Hands reports to the SDK of this process, whose thread sends them; no call waits for Sentry."""

    set_tags = staticmethod(sentry_sdk.set_tags)
    scope = staticmethod(sentry_sdk.isolation_scope)

    def __init__(self, settings: SentrySettings, *, stage: Environment, release: str) -> None:
        self._personal_data = settings.send_personal_data
        sentry_sdk.init(
            dsn=settings.dsn.get_secret_value() if settings.dsn else "",
            environment=settings.environment or stage,
            release=settings.release or release,
            traces_sample_rate=settings.traces_sample_rate or None,  # 0 would leave the choice to a caller's header
            transport_queue_size=settings.queue_size,
            auto_enabling_integrations=False,
            integrations=[
                # No status of its own: an HTTPException(503) was raised on purpose.
                StarletteIntegration(failed_request_status_codes=set()),
                # Sees every statement; with asyncpg's beside it there would be two spans a query.
                SqlalchemyIntegration(),
                HttpxIntegration(),
            ],
            # The one sends again what was logged as well, the other command lines, which may hold secrets.
            disabled_integrations=[LoggingIntegration(), ArgvIntegration()],
            # Its headers name this release and its routes, and users choose some of the addresses that are called.
            trace_propagation_targets=[],
            auto_session_tracking=False,
            include_local_variables=False,
            max_request_body_size="never",
            before_send=_scrub,
            before_send_transaction=_scrub,
        )

    def capture_exception(self, err: BaseException, context: Mapping[str, object]) -> None:
        """Send the error with its causes; errors of this application tell their code and facts."""
        tags, contexts = _tags(context), {}
        if isinstance(err, AppException):
            facts = err.to_dict()
            tags["error_code"] = err.error_code
            contexts["application error"] = {name: facts[name] for name in ("error_code", "operation", "details")}
        sentry_sdk.capture_exception(err, tags=tags, extras=dict(context), contexts=contexts)

    def capture_message(self, message: str, level: Level, context: Mapping[str, object]) -> None:
        """Send the message; equal ones are one issue."""
        sentry_sdk.capture_message(message, level, tags=_tags(context), extras=dict(context))

    def set_user(self, user_id: str, *, email: str | None, username: str | None) -> None:
        """Send the id, and address and name where personal data may be sent."""
        personal = {"email": email, "username": username} if self._personal_data else {}
        sentry_sdk.set_user({"id": user_id, **personal})

    def add_breadcrumb(self, message: str, *, category: str, data: Mapping[str, object]) -> None:
        """Keep the step for the reports of this request or scope."""
        sentry_sdk.add_breadcrumb(message=message, category=category, data=dict(data))

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Time a part of what is being timed already, or else a transaction."""
        begin = sentry_sdk.start_span if sentry_sdk.get_current_span() else sentry_sdk.start_transaction
        with begin(op="function", name=name):
            yield

    def close(self, flush_seconds: float) -> None:
        """Send what waits, for so many seconds at most, and stop. Blocks."""
        sentry_sdk.get_client().close(timeout=flush_seconds)
        sentry_sdk.get_global_scope().set_client(None)


def _tags(context: Mapping[str, object]) -> dict[str, str]:
    return {name: str(context[name]) for name in ("operation", "support_id") if name in context}


def _scrub(event: Event, _hint: Hint) -> Event:
    """Reduce the request to method and route, drop query strings, and take secrets out of every text."""
    facts = cast("dict[str, Any]", event)
    if (facts.get("transaction_info") or {}).get("source") == "url":
        facts["transaction"] = "no route"  # instead of a path, which is a caller's text
    if "request" in facts:
        facts["request"] = {"method": facts["request"].get("method"), "url": facts.get("transaction")}
    for step in [*facts.get("spans", ()), *(facts.get("breadcrumbs") or {}).get("values", ())]:
        for name in ("http.query", "http.fragment"):
            (step.get("data") or {}).pop(name, None)
    return cast("Event", redact(facts))
