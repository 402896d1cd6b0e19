"""The one object that reports go through, and what it remembers of a request."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from app.core.logging import bind_log_context, current_request_id, get_logger
from app.core.logging.context import pop_log_context, push_log_context
from app.core.monitoring.backend import MonitorBackend
from app.core.monitoring.report import Breadcrumb, Level, Report, Request, User
from app.core.redaction import redact, redact_text

# As many as a reader goes through; the oldest make room.
MAX_BREADCRUMBS: Final = 50

logger = get_logger(__name__)


class _Scope(AbstractContextManager[None]):
    """What is remembered until a request, or a delivery of an event, ends; shared by its tasks and threads.

    A class and no generator: every request enters one, and this costs it half as much.
    """

    __slots__ = ("_log_token", "_log_values", "_token", "breadcrumbs", "request", "user")

    def __init__(self, log_values: Mapping[str, str], request: Callable[[], Request] | None = None) -> None:
        self.request = request
        self.breadcrumbs: deque[Breadcrumb] = deque(maxlen=MAX_BREADCRUMBS)
        self.user: User | None = None
        self._log_values = log_values

    def __enter__(self) -> None:
        self._token = _current.set(self)
        self._log_token = push_log_context(self._log_values)

    def __exit__(self, *_raised: object) -> None:
        pop_log_context(self._log_token)
        _current.reset(self._token)


# None instead of a scope as the default, which every request would share.
_current: Final[ContextVar[_Scope | None]] = ContextVar("monitoring_scope", default=None)


class Monitor:
    """Reports to every backend, with secrets taken out and with what the request has left behind on its way.

    No call raises or waits, whatever a backend does. Outside of a scope, in a script for example, reports have
    neither user nor breadcrumbs.

    Args:
        backends: Where reports go.
    """

    def __init__(self, *backends: MonitorBackend) -> None:
        self._backends = backends

    def attach(self, backend: MonitorBackend) -> Callable[[], None]:
        """Send reports to this backend, too. Returns what takes it away again."""
        self._backends = (*self._backends, backend)

        def detach() -> None:
            self._backends = tuple(each for each in self._backends if each is not backend)

        return detach

    def scope(self, request: Callable[[], Request] | None = None, /, **log_values: str) -> AbstractContextManager[None]:
        """Begin a request, a delivery or a job: nothing of another's user and breadcrumbs is seen inside.

        Args:
            request: What was asked for, to be called when there is something to report: the route is found late.
            log_values: What to put on every line logged inside.
        """
        return _Scope(log_values, request)

    def capture_exception(self, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
        """Report an error that nobody foresaw, with its traceback.

        Args:
            err: What was raised.
            context: Facts that help to understand it.
        """
        self._report(lambda backend, report: backend.capture_exception(err, report), context)

    def capture_message(
        self, message: str, level: Level = "info", *, context: Mapping[str, object] | None = None
    ) -> None:
        """Report something that is no exception but worth a person's attention.

        Args:
            message: A constant sentence, so that equal reports are recognised; what varies goes into `context`.
            level: How bad it is.
            context: Facts that help to understand it.
        """
        text = redact_text(message)
        self._report(lambda backend, report: backend.capture_message(text, level, report), context)

    def describe(self, context: Mapping[str, object] | None = None) -> Report:
        """What a report that is made here and now tells."""
        scope = _current.get() or _Scope({})
        request = scope.request() if scope.request else None
        return Report(_redacted(context), tuple(scope.breadcrumbs), scope.user, current_request_id(), request)

    def set_user(self, user_id: object, *, email: str | None = None, username: str | None = None) -> None:
        """Say who made this request: reports carry it, and every further line of the log carries `user_id`.

        In a thread, only the lines of that thread do.

        Args:
            user_id: Their key.
            email: Their address, for reports; never logged.
            username: What they are called, for reports.
        """
        scope = _current.get()
        if scope is not None:
            key = str(user_id)
            scope.user = User(key, email, username)
            bind_log_context(user_id=key)

    def add_breadcrumb(
        self, message: str, *, category: str = "default", data: Mapping[str, object] | None = None
    ) -> None:
        """Leave a trail: the last 50 steps of this request go with its reports.

        Args:
            message: What is being done.
            category: Which kind of step, such as "http".
            data: Facts about it.
        """
        scope = _current.get()
        if scope is not None:
            with self._contained("add_breadcrumb"):
                crumb = Breadcrumb(datetime.now(UTC), redact_text(message), category, _redacted(data))
                scope.breadcrumbs.append(crumb)

    @contextmanager
    def trace(self, name: str) -> Iterator[None]:
        """Time what runs inside, in coroutines as well; traces nest.

        Args:
            name: A constant, such as "report.render".
        """
        spans: list[AbstractContextManager[object]] = []
        for backend in self._backends:
            with self._contained("trace"):
                span = backend.span(name)
                span.__enter__()
                spans.append(span)
        failure: BaseException | None = None
        try:
            yield
        except BaseException as err:
            failure = err
            raise
        finally:
            traceback = failure.__traceback__ if failure else None
            for span in reversed(spans):
                with self._contained("trace"):
                    span.__exit__(type(failure) if failure else None, failure, traceback)

    def _report(self, send: Callable[[MonitorBackend, Report], None], context: Mapping[str, object] | None) -> None:
        with self._contained("report"):
            report = self.describe(context)
            for backend in self._backends:
                with self._contained(type(backend).__name__):
                    send(backend, report)

    @contextmanager
    def _contained(self, what: str) -> Iterator[None]:
        """What fails while something is being reported is logged, and no more."""
        try:
            yield
        except Exception as err:  # noqa: BLE001 — whatever it was, the request goes on
            logger.warning("monitoring failed", part=what, reason=type(err).__name__)


def _redacted(facts: Mapping[str, object] | None) -> dict[str, object]:
    cleaned = redact(dict(facts or {}))
    return cleaned if isinstance(cleaned, dict) else {}
