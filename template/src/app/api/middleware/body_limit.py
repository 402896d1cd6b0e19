"""A limit on the size of a request's body."""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """Stops reading at the limit. The error is raised where the route reads, and answered like any other.

    Starlette's own limit answers outside of the application, in plain text.

    Args:
        app: The wrapped application.
        max_bytes: The size of the largest body; one that announces more is not read at all.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        read: int | None = None

        async def receive_limited() -> Message:
            nonlocal read
            if read is None:
                # Only now: most routes read no body.
                self._refuse_announced(scope["headers"])
                read = 0
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, receive_limited, send)

    def _refuse_announced(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            # Python refuses to read a number of thousands of digits; twenty are beyond every limit.
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self.max_bytes:
                raise self._too_large()

    def _too_large(self) -> HTTPException:
        # Closing the connection spares the client from sending the rest.
        return HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body may have at most {self.max_bytes} bytes.",
            headers={"Connection": "close"},
        )
