"""The two ways to call another service: once, or until it works or the limits are reached."""

import asyncio
import time
from dataclasses import replace
from itertools import count
from typing import Final, Unpack

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http.client import HttpClient
from app.core.http.lifecycle import get_http_client
from app.core.http.request import Method, RequestOptions, make_request
from app.core.http.response import HttpResponse
from app.core.http.retry import RetryConfig
from app.core.logging import get_logger

logger = get_logger(__name__)

_DEFAULT_RETRY: Final = RetryConfig()


async def fetch_with_timeout(
    method: Method, url: str, *, service: str, client: HttpClient | None = None, **options: Unpack[RequestOptions]
) -> HttpResponse:
    """Call another service once.

    Args:
        method: HTTP method.
        url: Absolute. It appears in no message and in no line of the log.
        service: What the other side is called in messages, such as "billing". Clients may see it.
        client: The process's unless given.
        options: See `RequestOptions`; the timeout is for the whole call, however slowly the answer trickles in.

    Raises:
        ExternalConnectionError: No connection, or one that broke before the answer was complete.
        ExternalServiceError: An answer that is too large or compressed in an unknown way, a redirect that is not
            followed, a certificate that is not valid, a URL or header that cannot be sent; with `raise_for_status`, a
            status outside of 200 to 299.
        TimeoutError: There was no complete answer in time.
        ValueError: The options contradict each other.
    """
    request = make_request(method, url, service, options)
    response = await (client or get_http_client()).exchange(request)
    return response.require_success() if options.get("raise_for_status") else response


async def fetch_with_retry(
    method: Method,
    url: str,
    *,
    service: str,
    retry: RetryConfig = _DEFAULT_RETRY,
    client: HttpClient | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Call another service, again where that may help; `RetryConfig.wait_seconds` says where.

    The last attempt's outcome is the call's: an answer such as 503 is returned like any other (and raised with
    `raise_for_status`), a failure is raised. No wait begins that would end after the total time.

    Args:
        method: POST and PATCH are sent once, unless `retry` says otherwise.
        url: See `fetch_with_timeout`.
        service: See `fetch_with_timeout`.
        retry: Limits in attempts and in total time, and the waits in between.
        client: The process's unless given.
        options: See `RequestOptions`; the timeout is for each attempt.

    Raises:
        ExternalConnectionError: See `fetch_with_timeout`, as for the others.
        ExternalServiceError: The last attempt failed.
        TimeoutError: The last attempt was not answered in time, or the total time was over.
        ValueError: The options contradict each other.
    """
    request = make_request(method, url, service, options)
    client = client or get_http_client()
    deadline = time.monotonic() + retry.total_seconds
    outcome: HttpResponse | AppException
    for attempt in count(1):
        left = max(deadline - time.monotonic(), 0)
        try:
            outcome = await client.exchange(replace(request, timeout_seconds=min(request.timeout_seconds, left)))
        except (ExternalServiceError, TimeoutError) as err:
            outcome = err
        wait = retry.wait_seconds(method, attempt, outcome)
        if wait is None or time.monotonic() + wait >= deadline:
            break
        reason = outcome.status if isinstance(outcome, HttpResponse) else type(outcome).__name__
        logger.warning("http retry", service=service, method=method, attempt=attempt, reason=reason, wait_seconds=wait)
        await asyncio.sleep(wait)
    if isinstance(outcome, AppException):
        raise outcome
    return outcome.require_success() if options.get("raise_for_status") else outcome
