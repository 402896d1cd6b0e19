"""What surrounds every request. All of it is plain ASGI: a function call each, no task, no copied stream."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.api.middleware.access_log import AccessLogMiddleware
from app.api.middleware.body_limit import BodyLimitMiddleware
from app.api.middleware.context import REQUEST_ID_HEADER, RequestContextMiddleware
from app.api.middleware.request_cache import RequestCacheMiddleware
from app.api.middleware.security_headers import SecurityHeadersMiddleware
from app.api.middleware.unexpected import UnexpectedErrorMiddleware
from app.core.config import ApplicationSettings


def install_middleware(app: FastAPI, settings: ApplicationSettings) -> None:
    """Put the middleware around the application; the last one added is the outermost.

    Inwards: request id and log context, access log, security headers, CORS, unexpected errors, body limit, request
    cache. Errors are answered far inside, so that those answers carry every header and are logged like any other.
    """
    security = settings.security
    app.add_middleware(RequestCacheMiddleware)
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.api.max_body_bytes)
    app.add_middleware(UnexpectedErrorMiddleware, debug=settings.api.debug)
    if security.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=security.cors_origins,
            allow_credentials=security.cors_allow_credentials,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", REQUEST_ID_HEADER],
            expose_headers=[REQUEST_ID_HEADER],
        )
    app.add_middleware(SecurityHeadersMiddleware, hsts_seconds=security.hsts_seconds)
    app.add_middleware(AccessLogMiddleware)
    app.add_middleware(RequestContextMiddleware)
