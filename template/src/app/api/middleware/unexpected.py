"""Unexpected errors: those without a handler are answered and logged here, inside of the other middleware."""

from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.api.errors import unexpected_error

# RFC 6455, 7.4.1: the request is refused; the server has failed.
_POLICY_VIOLATION: Final = 1008
_INTERNAL_ERROR: Final = 1011


class UnexpectedErrorMiddleware:
    """Answers with a generic 500.

    Starlette would answer such errors outside of all middleware, without the request id, CORS and security headers,
    and would raise them again for the server to log a second time.

    Args:
        app: The wrapped application.
        debug: Put the traceback into the answer.
    """

    def __init__(self, app: ASGIApp, *, debug: bool) -> None:
        self.app = app
        self.debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            send = _closing(send)
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except WebSocketDisconnect:
            return  # The client has gone.
        except Exception as error:
            response = unexpected_error(error, debug=self.debug)
            if started and scope["type"] == "http":
                # Half an answer cannot be taken back: the server closes the connection, so that no client takes it
                # for a whole one.
                raise
            await response(scope, receive, send)


def _closing(send: Send) -> Send:
    """Close a web socket where an error's answer comes too late, since it is open already."""
    opened = closed = False

    async def send_or_close(message: Message) -> None:
        nonlocal opened, closed
        kind = message["type"]
        if not opened or not kind.startswith("websocket.http.response"):
            opened = opened or kind == "websocket.accept"
            closed = closed or kind == "websocket.close"
            await send(message)
        elif not closed:
            closed = True
            failed = message["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR
            with suppress(OSError):  # The client has gone meanwhile.
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR if failed else _POLICY_VIOLATION})

    return send_or_close
