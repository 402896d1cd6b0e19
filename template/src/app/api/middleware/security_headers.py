"""Security headers for browsers (OWASP REST Security Cheat Sheet, "Security headers")."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # Data is never a page: a browser that is tricked into rendering it may load and run nothing. A page says for itself
    # what it loads.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class SecurityHeadersMiddleware:
    """Adds the headers above; a header that a route has set itself stays as it is.

    Args:
        app: The wrapped application.
        hsts_seconds: The time for which browsers insist on TLS; 0 leaves the header out.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int) -> None:
        self.app = app
        hsts = ((b"strict-transport-security", b"max-age=%d; includeSubDomains" % hsts_seconds),)
        self._headers = _HEADERS + (hsts if hsts_seconds else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = dict(message.get("headers", ()))
                missing = (header for header in self._headers if header[0] not in present)
                message["headers"] = [*message.get("headers", ()), *missing]
            await send(message)

        await self.app(scope, receive, send_with_headers)
