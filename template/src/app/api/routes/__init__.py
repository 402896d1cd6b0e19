"""Routes, a module per resource, and how they are added to the application."""

import copy
from collections.abc import Iterable

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute


def install_routes(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Add routes with complete paths, and HEAD wherever there is GET.

    `include_router` would give each router a level of its own, which costs every request some 10 µs. The routes for
    HEAD stand last, where they cost no other request anything, and outside of the OpenAPI document, which would
    describe each operation twice; the server leaves their bodies out.
    """
    routes = [route for router in routers for route in router.routes]
    app.router.routes.extend(routes)
    for route in routes:
        if not isinstance(route, APIRoute):
            continue
        # The function's name alone: methods of generated clients are called by it.
        route.operation_id = route.operation_id or route.name
        if "GET" in (route.methods or ()):
            head = copy.copy(route)
            head.methods = {"HEAD"}
            head.include_in_schema = False
            app.router.routes.append(head)
