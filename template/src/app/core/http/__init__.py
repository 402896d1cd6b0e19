"""Calls to other services: one pool of connections per process, and limits on all that the other side may do.

    answer = await fetch_with_retry("GET", "https://billing.example/invoices/7", service="billing")
    invoice = answer.parse_json(Invoice)

Time, size and attempts are bounded; no redirect is followed; no cookie is kept. Failures are `ExternalServiceError` and
`TimeoutError`, which quote nothing of the URL, the headers or the answer. `fetch_stream` reads an answer as it comes.
For a URL that a user chose, which may name a host inside your network, give `client=get_public_client()`.
"""

from app.core.http.client import HttpClients, create_http_client, get_http_client, get_public_client
from app.core.http.fetch import (
    ANY_STATUS,
    DEFAULT_TIMEOUT,
    LLM_TIMEOUT,
    WEBHOOK_TIMEOUT,
    ExternalConnectionError,
    HttpResponse,
    HttpStream,
    Method,
    RetryConfig,
    fetch_stream,
    fetch_with_retry,
    fetch_with_timeout,
)
