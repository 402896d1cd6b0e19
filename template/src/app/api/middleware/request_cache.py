"""Every request and every message of a web socket has a cache of its own, for functions under `@request_cached`."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.cache import RequestCache


class RequestCacheMiddleware:
    """Opens a cache for a request, its background tasks included; that of a web socket is emptied by each message."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        with RequestCache() as cache:

            async def receive_anew() -> Message:
                message = await receive()
                cache.clear()
                return message

            await self.app(scope, receive if scope["type"] == "http" else receive_anew, send)
