"""Errors outside of the handlers: unexpected ones, and bodies over the limit."""

from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.api.errors import problem_answer, unexpected_error

# RFC 6455, 7.4.1: the request is refused; the server has failed.
_POLICY_VIOLATION: Final = 1008
_INTERNAL_ERROR: Final = 1011


class BodyLimitMiddleware(RequestBodyLimitMiddleware):
    """Starlette's limit, with a problem document for its answer; a route may say another limit (`max_body_size=`)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def send_problem(message: Message) -> None:
            nonlocal refused
            if message.get("status") == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                refused = True
                # Closing the connection spares the client from sending the rest.
                too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                answer = problem_answer(too_large, "The body is too large.", {"Connection": "close"})
                await answer(scope, receive, send)
            elif not refused:
                await send(message)

        await super().__call__(scope, receive, send_problem)


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
    opened = False

    async def send_or_close(message: Message) -> None:
        nonlocal opened
        opened = opened or message["type"] == "websocket.accept"
        if not opened or not message["type"].startswith("websocket.http.response"):
            await send(message)
        elif "status" in message:
            failed = message["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR
            with suppress(OSError):  # The client has gone meanwhile.
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR if failed else _POLICY_VIOLATION})

    return send_or_close
