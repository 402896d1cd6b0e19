"""The addresses of requests: their host, and the prefix behind a proxy."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem_answer
from app.api.middleware.access_log import PROBES


class AllowedHostsMiddleware:
    """Refuses requests to other hosts, since a caller may put any name into `Host`.

    Probes name an address instead of a host, and are answered in any case.

    Args:
        app: The wrapped application.
        hosts: Names in lower case; `*.example.com` stands for all below.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self.app = app
        self.names = frozenset(hosts)
        self.endings = tuple(host[1:] for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = problem_answer(HTTPStatus.MISDIRECTED_REQUEST, "Requests to this host are not answered here.")
            await answer(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        if scope["type"] == "http" and scope["raw_path"] in PROBES:
            return True
        host = Headers(scope=scope).get("host", "").lower()
        # Without the port; an IPv6 address is in brackets.
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return name in self.names or name.endswith(self.endings)


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
        path = scope["path"]
        below = path == self.root_path or path.startswith(f"{self.root_path}/")
        scope = {**scope, "root_path": self.root_path, "path": path if below else self.root_path + path}

        async def send_below(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, self._located(name, value)) for name, value in message.get("headers", ())]
            await send(message)

        await self.app(scope, receive, send_below)

    def _located(self, name: bytes, value: bytes) -> bytes:
        prefix = self.root_path.encode("ascii")
        ours = name == b"location" and value.startswith(b"/") and not value.startswith((b"//", prefix + b"/"))
        return prefix + value if ours else value
