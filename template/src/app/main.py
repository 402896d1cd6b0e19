"""The web application, from the settings to its routes.

A request walks from here:

    middleware (api/middleware) → route (api/routes) → service (services) → repository (repositories) → model

and back. The unit of work closes around route, service and repository, before the answer is sent; what is raised
becomes a problem document in api/errors.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from app.api.errors import install_error_handlers
from app.api.middleware import install_middleware
from app.api.middleware.context import request_spans
from app.api.openapi import install_docs, install_openapi
from app.api.routes import install_routes
from app.core.config import ApplicationSettings
from app.core.logging import configure_logging
from app.core.telemetry import counting, make_traces, tracing
from app.core.telemetry.samples import ProcessSample
from app.wiring import DISTRIBUTION, ROUTERS, TITLE, TRACE_HEADERS, open_services


def create_app(settings: ApplicationSettings) -> FastAPI:
    """Return the application. Nothing is connected before its lifespan begins."""
    configure_logging(level=settings.logging.level, json_lines=settings.logging.format == "json")
    traces = make_traces(settings.telemetry, service=DISTRIBUTION)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with tracing(traces), open_services(settings), counting(ProcessSample()):
            yield

    app = FastAPI(
        title=TITLE,
        version=version(DISTRIBUTION),
        lifespan=lifespan,
        debug=settings.api.debug,
        telemetry=request_spans(traces),
        # A redirect would lead to the request's own Host, which its sender may choose.
        redirect_slashes=False,
        openapi_url="/openapi.json" if settings.api.docs_enabled else None,
        docs_url=None,
        redoc_url=None,
    )
    if settings.api.docs_enabled:
        install_docs(app)
    install_openapi(app)
    install_middleware(app, settings, trace_headers=TRACE_HEADERS)
    install_error_handlers(app)
    install_routes(app, ROUTERS)
    return app
