"""From settings to a running application; a request walks from here.

    middleware (api/middleware) → route (api/routes) → service (services) → repository (repositories) → model

and back. The unit of work closes around route, service and repository, before the answer is sent; whatever is raised
becomes a problem document in api/errors.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from app.api.errors import install_error_handlers
from app.api.middleware import install_middleware
from app.api.openapi import install_openapi
from app.api.routing import install_routes
from app.core.config import ApplicationSettings, get_settings
from app.core.config.logging import LogFormat
from app.core.logging import configure_logging
from app.wiring import DISTRIBUTION, ROUTERS, TITLE, TRACE_HEADERS, open_services


def create_app(settings: ApplicationSettings | None = None) -> FastAPI:
    """The application. Nothing is connected before its lifespan begins.

    Args:
        settings: Those of the process unless given, as tests do.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    settings = settings or get_settings()
    configure_logging(level=settings.logging.level, json_lines=settings.logging.format is LogFormat.JSON)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as app.state.process:
            yield

    app = FastAPI(
        title=TITLE,
        version=version(DISTRIBUTION),
        lifespan=lifespan,
        debug=settings.api.debug,
        # To where? The request's own Host says, and whoever sends it may say anything.
        redirect_slashes=False,
        openapi_url="/openapi.json" if settings.api.docs_enabled else None,
    )
    install_openapi(app)
    install_middleware(app, settings, trace_headers=TRACE_HEADERS)
    install_error_handlers(app)
    install_routes(app, ROUTERS)
    return app
