"""Middleware around every request. All of it is plain ASGI: a function call each, no task, no copied stream."""

from collections.abc import Collection

from fastapi import FastAPI

from app.api.middleware.addresses import AllowedHostsMiddleware, DocumentedCORSMiddleware, RootPathMiddleware
from app.api.middleware.context import RequestContextMiddleware
from app.api.middleware.security_headers import SecurityHeadersMiddleware
from app.api.middleware.unexpected import BodyLimitMiddleware, UnexpectedErrorMiddleware
from app.core.config import ApplicationSettings


def install_middleware(app: FastAPI, settings: ApplicationSettings, *, trace_headers: Collection[str] = ()) -> None:
    """Put the middleware around the application; the last one added is the outermost.

    Inwards: prefix, context, security headers, allowed hosts, CORS, unexpected errors, body limit. Errors are
    answered far inside, so that those answers carry every header and are logged like any other.

    Args:
        app: The application.
        settings: The process's.
        trace_headers: Request headers of browsers that continue a trace.
    """
    security = settings.security
    app.add_middleware(BodyLimitMiddleware, max_body_size=settings.api.max_body_bytes)
    app.add_middleware(UnexpectedErrorMiddleware, debug=settings.api.debug)
    if security.cors_origins:
        app.add_middleware(
            DocumentedCORSMiddleware,
            document=app.openapi,
            allow_origins=security.cors_origins,
            allow_credentials=security.cors_allow_credentials,
            allow_headers=trace_headers,
        )
    if settings.api.allowed_hosts:
        app.add_middleware(AllowedHostsMiddleware, allowed_hosts=settings.api.allowed_hosts, www_redirect=False)
    app.add_middleware(SecurityHeadersMiddleware, hsts_seconds=security.hsts_seconds)
    app.add_middleware(RequestContextMiddleware, counts=settings.telemetry.metrics_port is not None)
    if settings.api.root_path:
        app.add_middleware(RootPathMiddleware, root_path=settings.api.root_path)
