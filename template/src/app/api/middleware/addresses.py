"""The addresses of requests: their host, the prefix behind a proxy, and the origins of the pages that send them."""

from collections.abc import Callable, Collection
from typing import Any, Final

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.context import PROBES, REQUEST_ID_HEADER

# Headers of answers from any route.
_ALWAYS: Final = ("Allow", "Retry-After", "WWW-Authenticate", REQUEST_ID_HEADER)


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


class DocumentedCORSMiddleware(CORSMiddleware):
    """Starlette's: pages of allowed origins may send and read the headers that the OpenAPI document names.

    Args:
        app: The wrapped application.
        document: Returns the document, which is read once, when the application starts.
        allow_origins: The origins of the pages.
        allow_credentials: Let those pages send cookies.
        allow_headers: Headers that any request may carry, besides the documented ones.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        document: Callable[[], dict[str, Any]],
        allow_origins: Collection[str],
        allow_credentials: bool,
        allow_headers: Collection[str],
    ) -> None:
        documented = document()
        operations = [operation for path in documented["paths"].values() for operation in path.values()]
        parameters = [each for operation in operations for each in operation.get("parameters", ())]
        responses = [each for operation in operations for each in operation["responses"].values()]
        sent = {each["name"] for each in parameters if each["in"] == "header"}
        for scheme in documented["components"].get("securitySchemes", {}).values():
            sent.add(scheme["name"] if scheme["type"] == "apiKey" else "Authorization")
        super().__init__(
            app,
            allow_origins=allow_origins,
            allow_credentials=allow_credentials,
            allow_methods=["*"],
            allow_headers=sorted({REQUEST_ID_HEADER, *allow_headers, *sent}),
            expose_headers=sorted({*_ALWAYS, *(name for each in responses for name in each.get("headers", ()))}),
        )
