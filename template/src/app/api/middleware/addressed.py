"""The addresses of requests: their host, and the prefix behind a proxy."""

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.context import PROBES


class AllowedHostsMiddleware(TrustedHostMiddleware):
    """Starlette's check of `Host`, save for probes, which name an address instead of a host."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["raw_path"] in PROBES:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class RootPathMiddleware:
    """Puts the prefix under which a proxy publishes the application into ASGI's scope and into `Location` headers.

    Args:
        app: The wrapped application.
        root_path: The prefix, which the proxy may have taken off the path or not.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        whole = f"{scope['path']}/".startswith(f"{self.root_path}/")
        path = scope["path"] if whole else self.root_path + scope["path"]
        prefix = self.root_path.encode("ascii")

        async def send_below(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, prefix + value if name == b"location" and value.startswith(b"/") else value)
                    for name, value in message.get("headers", ())
                ]
            await send(message)

        await self.app({**scope, "root_path": self.root_path, "path": path}, receive, send_below)
