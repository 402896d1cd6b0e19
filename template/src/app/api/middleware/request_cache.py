"""Every request has a cache of its own, for functions under `@request_cached`."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.cache import RequestCache


class RequestCacheMiddleware:
    """Opens a cache for one HTTP request, its background tasks included; a web socket, which lasts, gets none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with RequestCache():
            await self.app(scope, receive, send)
