"""The last net: whatever nobody handled is answered and logged here, inside of all other middleware."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import unexpected_error


class UnexpectedErrorMiddleware:
    """Answers with a generic 500.

    Starlette would answer such errors outside of all middleware, without the request id, CORS and security headers,
    and would raise them again for the server to log a second time.

    Args:
        app: What is inside.
        debug: Whether the answer carries the traceback.
    """

    def __init__(self, app: ASGIApp, *, debug: bool) -> None:
        self.app = app
        self.debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            response = unexpected_error(error, debug=self.debug)
            if started:
                # Half an answer cannot be taken back: let the server close the connection, so that nobody takes it
                # for a whole one.
                raise
            await response(scope, receive, send)
