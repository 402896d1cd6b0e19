"""Calls to other services: one pool of connections per process, and limits on all that the other side may do.

    answer = await fetch_with_retry("GET", "https://billing.example/invoices/7", service="billing")
    invoice = answer.require_success().parse_json(Invoice)

Time, size, attempts and redirects are bounded; certificates are always verified; no cookie is kept, since the pool is
shared by everybody's requests. Failures are `ExternalServiceError` and `TimeoutError` without URLs in them, because
paths and queries hold keys. A status such as 404 is an answer and no error until `require_success()` says so.

A URL that a user chose is not to be fetched with this: it could name a host inside your network. Compare it with a
list of known hosts first (OWASP Server-Side Request Forgery Prevention Cheat Sheet, case 1).

httpx is used in this package and nowhere else, and imported with the first call: a process that makes none does
without it.
"""

from app.core.http.client import HttpClient, create_http_client
from app.core.http.errors import ExternalConnectionError
from app.core.http.fetch import fetch_with_retry, fetch_with_timeout
from app.core.http.lifecycle import close_http_client, get_http_client, init_http_client
from app.core.http.request import DEFAULT_TIMEOUT, LLM_TIMEOUT, WEBHOOK_TIMEOUT, RequestOptions
from app.core.http.response import HttpResponse
from app.core.http.retry import RetryConfig

__all__ = [
    "DEFAULT_TIMEOUT",
    "LLM_TIMEOUT",
    "WEBHOOK_TIMEOUT",
    "ExternalConnectionError",
    "HttpClient",
    "HttpResponse",
    "RequestOptions",
    "RetryConfig",
    "close_http_client",
    "create_http_client",
    "fetch_with_retry",
    "fetch_with_timeout",
    "get_http_client",
    "init_http_client",
]
