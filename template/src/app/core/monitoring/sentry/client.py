"""The SDK, and of it only what turns an error into an event and gets events to Sentry."""

import linecache
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import certifi
from pydantic import SecretStr
from sentry_sdk import Client
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import HttpTransport
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from app.core.logging import get_logger
from app.core.redaction import redact
from app.core.tls import make_tls_context

logger = get_logger(__name__)

# Longer texts are cut: more than this of one value helps nobody, and an event may have 1 MB (Sentry, "Size limits").
MAX_VALUE_CHARACTERS: Final = 4096
# What is marked as this application's in a traceback, and how many lines of its source are shown around each.
_OWN_PACKAGE: Final = __name__.partition(".")[0]
_CONTEXT_LINES: Final = 5
# Seconds that one delivery may wait for Sentry. While it does, others wait behind it, or are dropped.
_TIMEOUT_SECONDS: Final = 5
# Losses are worth a line now and then: while Sentry is away, each report is one.
_LOG_EVERY_SECONDS: Final = 60.0


class SentryClient:
    """Makes events of errors and hands them to a thread that sends them; no call waits for Sentry.

    When Sentry is down, slow or refuses, reports wait in a queue, and are dropped when that is full. After a 429 they
    are dropped until Sentry wants them again.

    Args:
        dsn: The project's address.
        environment: This installation's name.
        release: This release's name.
        queue_size: How many events may wait.
        ca_file: Certificate authorities trusted beside the public ones.
        proxy_url: The way out.

    Raises:
        ConfigurationError: The file of certificate authorities cannot be used.
    """

    def __init__(
        self,
        *,
        dsn: SecretStr | None,
        environment: str,
        release: str,
        queue_size: int,
        ca_file: Path | None,
        proxy_url: SecretStr | None,
    ) -> None:
        # Empty instead of None: with None the SDK would look for one in the environment.
        proxy = proxy_url.get_secret_value() if proxy_url else ""
        self._client = Client(
            dsn=dsn.get_secret_value() if dsn else "",
            environment=environment,
            release=release,
            transport=_Transport,
            transport_queue_size=queue_size,
            http_proxy=proxy,
            https_proxy=proxy,
            ca_certs=str(ca_file) if ca_file else None,
            # The monitor is the one way in: what is logged as well, or answered with a 5xx that was foreseen, is not
            # captured, and nothing of a request is picked up that nobody has handed over.
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            # Local variables are where secrets are in the clear.
            include_local_variables=False,
            # See `_add_source`.
            include_source_context=False,
            max_value_length=MAX_VALUE_CHARACTERS,
            max_request_body_size="never",
            in_app_include=[_OWN_PACKAGE],
            before_send=_scrub,
            before_send_transaction=_scrub,
            # What the SDK would take from the environment unless told.
            debug=False,
            spotlight=False,
            keep_alive=True,
            # What urllib3 sets unless options are given, which keeping alive does: without it each event waits 40 ms
            # for an acknowledgement that the other side delays, and a queue empties at 25 events a second.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    def event_of(self, err: BaseException) -> dict[str, Any]:
        """An error with its causes and tracebacks, as an event to add to."""
        event, _ = event_from_exception(
            err, client_options=self._client.options, mechanism={"type": "monitor", "handled": True}
        )
        found = cast("dict[str, Any]", event)
        for each in found["exception"]["values"]:
            # Absent without a traceback, and something else than a mapping when that is too long.
            stacktrace = each.get("stacktrace")
            for frame in stacktrace["frames"] if isinstance(stacktrace, dict) else ():
                _add_source(frame)
        return found

    def send(self, event: Mapping[str, Any]) -> None:
        """Take secrets out of an event and queue it."""
        self._client.capture_event(cast("Event", dict(event)))

    def close(self, flush_seconds: float) -> None:
        """Send what is queued, for so many seconds at most, and stop. Blocks."""
        self._client.close(timeout=flush_seconds)


def _add_source(frame: dict[str, Any]) -> None:
    """The lines around a frame of this application's own.

    The SDK reads and splits the whole file for each frame, of libraries too: 5 ms for an error in a route, which the
    event loop would wait for. These lines come out of a cache.
    """
    if str(frame.get("module")).partition(".")[0] != _OWN_PACKAGE:
        return
    lines = [line.rstrip("\n") for line in linecache.getlines(frame["abs_path"])]
    index = frame["lineno"] - 1
    if index < len(lines):
        frame["pre_context"] = lines[max(0, index - _CONTEXT_LINES) : index]
        frame["context_line"] = lines[index]
        frame["post_context"] = lines[index + 1 : index + 1 + _CONTEXT_LINES]


def _scrub(event: Event, _hint: Hint) -> Event:
    """The last net, over every text of the event: messages of errors and lines of source code came past the monitor."""
    return cast("Event", redact(event))


class _Transport(HttpTransport):
    """The SDK's, with a shorter patience, this application's network settings, and a word about what gets lost."""

    TIMEOUT = _TIMEOUT_SECONDS

    _lost = 0
    _logged = float("-inf")
    _stopped = False

    def _get_pool_options(self) -> dict[str, Any]:
        # At once, not three times with a line of urllib3's in the log for each; redirects are not followed.
        options = {**super()._get_pool_options(), "retries": False, "ca_certs": certifi.where()}
        if ca_file := self.options["ca_certs"]:
            options["ssl_context"] = make_tls_context(ca_file)
        return options

    def capture_envelope(self, envelope: Envelope) -> None:
        """Called for each event; it is sent by a thread."""
        if not self._stopped:
            super().capture_envelope(envelope)

    def _send_envelope(self, envelope: Envelope) -> None:
        # The SDK's thread would go on with what is left.
        if not self._stopped:
            super()._send_envelope(envelope)

    def kill(self) -> None:
        """Called at the end, when there was time to send what waited."""
        self._stopped = True
        super().kill()
        self._pool.clear()

    def on_dropped_event(self, reason: str) -> None:
        """Called for each event that does not arrive, from any thread."""
        if self._stopped:
            # Given up at the end of the application, whose log this thread must not outlive.
            return
        self._lost += 1
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY_SECONDS:
            lost, self._lost, self._logged = self._lost, 0, now
            logger.warning("reports to Sentry are lost", reason=reason, lost=lost)
