"""The OpenAPI document: FastAPI's, with error answers under their own media type."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from app.api.errors import MEDIA_TYPE
from app.models.schemas.problem import Problem

Responses = dict[int | str, dict[str, Any]]

# The names of the security schemes, which may not contain spaces.
ACCESS_TOKEN: Final = "access_token"  # noqa: S105 — a name
API_KEY: Final = "api_key"

_PROBLEM = {"$ref": f"#/components/schemas/{Problem.__name__}"}


def _header(name: str, description: str, **schema: object) -> dict[str, Any]:
    return {name: {"description": description, "required": True, "schema": schema}}


LOCATION: Final = _header("Location", "The address of the resource.", type="string", format="uri-reference")
_RETRY_AFTER: Final = _header("Retry-After", "Seconds after which to try again.", type="integer", minimum=1)
# Headers that answers of a status always carry.
_HEADERS: Final[Mapping[HTTPStatus, dict[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: _header("WWW-Authenticate", "The scheme to use.", type="string"),
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}
# Problems of a body that cannot be read: it is no text, or over the limit.
_OF_BODIES: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def problems(*statuses: HTTPStatus) -> Responses:
    """Document that a route may answer with problems of these statuses, or of a request that breaks a rule."""
    return {
        status.value: {"model": Problem, "description": status.phrase, "headers": _HEADERS.get(status, {})}
        for status in (*statuses, HTTPStatus.UNPROCESSABLE_ENTITY)
    }


def install_openapi(app: FastAPI) -> None:
    """Correct FastAPI's document whenever it is made: it knows one media type per route."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        before = app.openapi_schema
        document = generate()
        if document is not before:
            for operation in (operation for path in document["paths"].values() for operation in path.values()):
                _correct(operation)
        return document

    # FastAPI's documented way to extend the document.
    app.openapi = openapi  # type: ignore[method-assign]


def _correct(operation: dict[str, Any]) -> None:
    if operation.get("security") == [{API_KEY: []}]:
        operation["security"].append({ACCESS_TOKEN: []})
    answers = operation["responses"]
    for response in answers.values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema") == _PROBLEM:
            content[MEDIA_TYPE] = content.pop("application/json")
    for status in _OF_BODIES if "requestBody" in operation else ():
        answers[str(status.value)] = {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
