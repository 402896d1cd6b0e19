"""The OpenAPI document, FastAPI's with the problem documents that routes answer with, and the page that shows it."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema

from app.api.errors import MEDIA_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]

# The names of the security schemes, which may not contain spaces.
ACCESS_TOKEN: Final = "access_token"  # noqa: S105 — a name
API_KEY: Final = "api_key"

_SCHEMAS: Final = "#/components/schemas/{model}"
_PAGES: Final = Path(__file__).parents[1] / "templates" / "docs"
# Swagger UI and this page alone; its own styles are in attributes.
_POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def _header(name: str, description: str, **schema: object) -> dict[str, Any]:
    return {name: {"description": description, "required": True, "schema": schema}}


LOCATION: Final = _header("Location", "The relative address of the resource.", type="string", format="uri-reference")
_RETRY_AFTER: Final = _header("Retry-After", "Seconds after which to try again.", type="integer", minimum=1)
# Headers that answers of a status always carry.
_HEADERS: Final[Mapping[HTTPStatus, dict[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: _header("WWW-Authenticate", "The scheme to use.", type="string"),
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}


def problems(*statuses: HTTPStatus) -> Responses:
    """Document that a route may answer with problems of these statuses.

    Those of credentials, of bodies and of values that break a rule follow from the route itself.
    """
    return {
        status.value: {
            "description": status.phrase,
            "headers": _HEADERS.get(status, {}),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMAS.format(model=Problem.__name__)}}},
        }
        for status in statuses
    }


def install_openapi(app: FastAPI) -> None:
    """Complete FastAPI's document whenever it is made."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        before = app.openapi_schema
        document = generate()
        if document is not before:
            schemas = document["components"]["schemas"]
            schemas |= models_json_schema([(Problem, "serialization")], ref_template=_SCHEMAS)[1]["$defs"]
            # FastAPI's own schemas of a request that breaks a rule.
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for operation in (operation for path in document["paths"].values() for operation in path.values()):
                _complete(operation)
        return document

    # FastAPI's documented way to extend the document.
    app.openapi = openapi  # type: ignore[method-assign]


def _complete(operation: dict[str, Any]) -> None:
    statuses: list[HTTPStatus] = []
    if security := operation.get("security"):
        statuses += HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN
        if security == [{API_KEY: []}]:
            security.append({ACCESS_TOKEN: []})
    if "requestBody" in operation:
        # It is no text, or over the limit.
        statuses += HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    answers = operation["responses"]
    if str(HTTPStatus.UNPROCESSABLE_ENTITY.value) in answers:
        statuses.append(HTTPStatus.UNPROCESSABLE_ENTITY)
    for kind, media in (each for answer in answers.values() for each in answer.get("content", {}).items()):
        if item := media.pop("itemSchema", None):
            # FastAPI describes streams as OpenAPI 3.2 does. For 3.1, one is an array, and one of events is an event.
            media["schema"] = item if kind == "text/event-stream" else {"type": "array", "items": item}
    answers |= {str(status): answer for status, answer in problems(*statuses).items()}


def install_docs(app: FastAPI) -> None:
    """Add `/docs`, on which a person logs in and tries requests out; nothing of it comes from another machine."""
    # The package follows Swagger UI's releases. Its folder of files is all of it that is used; nothing is imported.
    assets = StaticFiles(directory=_PAGES / "assets", packages=[("fastapi_offline", "static")])

    async def read_page(_: Request) -> Response:
        return FileResponse(_PAGES / "page.html", headers={"Content-Security-Policy": _POLICY})

    async def read_asset(request: Request) -> Response:
        return await assets.get_response(request.path_params["name"], request.scope)

    app.add_route("/docs", read_page, include_in_schema=False)
    # Not mounted: a mount finds nothing where a proxy has taken its prefix off the path.
    app.add_route("/docs/assets/{name}", read_asset, include_in_schema=False)
