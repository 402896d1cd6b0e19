"""Middleware around every request. All of it is plain ASGI: a function call each, no task, no copied stream."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.api.errors import problem_answer, unexpected_error
from app.api.middleware.context import PROBES, REQUEST_ID_HEADER, RequestContextMiddleware
from app.core.config import ApplicationSettings

# Headers of answers from any route.
_ALWAYS: Final = ("Allow", "Retry-After", "WWW-Authenticate", REQUEST_ID_HEADER)
_TOO_LARGE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def install_middleware(app: FastAPI, settings: ApplicationSettings, *, trace_headers: Collection[str] = ()) -> None:
    """Put the middleware around the application; the last one added is the outermost.

    Inwards: context, allowed hosts, CORS, errors. Errors are answered far inside, so that those answers carry every
    header and are logged like any other. Pages of other origins may send `trace_headers` with any request.
    """
    api, security = settings.api, settings.security
    app.add_middleware(ErrorMiddleware, max_body_size=api.max_body_bytes, debug=api.debug)
    if security.cors_origins:

        def cors(inner: ASGIApp) -> ASGIApp:
            # When the application starts, so that the document has all routes.
            sent, read = _documented_headers(app.openapi())
            return CORSMiddleware(
                inner,
                allow_origins=security.cors_origins,
                allow_credentials=security.cors_allow_credentials,
                allow_methods=["*"],
                allow_headers={REQUEST_ID_HEADER, *trace_headers, *sent},
                expose_headers=sorted({*_ALWAYS, *read}),
            )

        app.add_middleware(cors)
    if api.allowed_hosts:
        app.add_middleware(AllowedHostsMiddleware, allowed_hosts=api.allowed_hosts, www_redirect=False)
    app.add_middleware(
        RequestContextMiddleware,
        counts=settings.telemetry.metrics_port is not None,
        hsts_seconds=security.hsts_seconds,
        root_path=api.root_path,
    )


class AllowedHostsMiddleware(TrustedHostMiddleware):
    """Starlette's check of `Host`, save for probes, which name an address instead of a host."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["raw_path"] in PROBES:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _documented_headers(document: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the headers that pages of allowed origins send, and those that they read."""
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    parameters = [each for operation in operations for each in operation.get("parameters", ())]
    responses = [each for operation in operations for each in operation["responses"].values()]
    schemes = document["components"].get("securitySchemes", {}).values()
    sent = {each["name"] for each in parameters if each["in"] == "header"}
    sent |= {each.get("name", "Authorization") for each in schemes}
    return sent, {name for each in responses for name in each.get("headers", ())}


class ErrorMiddleware(RequestBodyLimitMiddleware):
    """Answers unexpected errors with a 500, and bodies over the limit with a 413; a route may have its `max_body_size`.

    Starlette would answer unexpected errors outside of all middleware, without the request id, CORS and security
    headers, and would raise them again for the server to log a second time.

    Args:
        max_body_size: The limit, in bytes.
        debug: Put tracebacks into the answers.
    """

    def __init__(self, app: ASGIApp, *, max_body_size: int, debug: bool) -> None:
        super().__init__(app, max_body_size)
        self.debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        started = refused = False

        async def send_and_note(message: Message) -> None:
            nonlocal started, refused
            started = True
            if message.get("status") == _TOO_LARGE:
                refused = True
                # Closing the connection spares the client from sending the rest.
                answer = problem_answer(_TOO_LARGE, "The body is too large.", {"Connection": "close"})
                await answer(scope, receive, send)
            elif not refused:
                await send(message)

        try:
            await super().__call__(scope, receive, send_and_note)
        except WebSocketDisconnect:
            return  # The client has gone.
        except Exception as error:
            response = unexpected_error(error, debug=self.debug)
            if not started:
                await response(scope, receive, send)
            elif scope["type"] == "websocket":
                # RFC 6455, 7.4.1: the server has failed.
                await send({"type": "websocket.close", "code": 1011})
            else:
                # Half an answer cannot be taken back: the server closes the connection, so that no client takes it
                # for a whole one.
                raise
