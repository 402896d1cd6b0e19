"""No request is read beyond a limit."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """Stops reading at the limit, where the route reads: the error is answered like any other of the route's.

    Starlette's own limit answers outside of the application, in plain text.

    Args:
        app: What is inside.
        max_bytes: The largest body; one that announces more is not read at all.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            # Python refuses to read a number of thousands of digits; twenty are beyond every limit.
            if announced.isdigit() and int(announced[:20]) > self.max_bytes:
                raise self._too_large()
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, receive_limited, send)

    def _too_large(self) -> HTTPException:
        # Closing the connection spares the client from sending the rest.
        return HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body may have at most {self.max_bytes} bytes.",
            headers={"Connection": "close"},
        )
