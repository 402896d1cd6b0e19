"""The OpenAPI document: what FastAPI derives from the routes, with error answers under their own media type."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from app.api.errors import MEDIA_TYPE
from app.models.schemas.problem import Problem

_PROBLEM = {"$ref": f"#/components/schemas/{Problem.__name__}"}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: HTTPStatus) -> Responses:
    """Document that a route may answer with problems of these statuses, or of a request that breaks a rule."""
    return {
        status.value: {"model": Problem, "description": status.phrase}
        for status in (*statuses, HTTPStatus.UNPROCESSABLE_ENTITY)
    }


def install_openapi(app: FastAPI) -> None:
    """Correct the document once, when it is first asked for: FastAPI knows one media type per route only."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        fresh = app.openapi_schema is None
        document = generate()
        if fresh:
            for path in document["paths"].values():
                for operation in path.values():
                    for response in operation["responses"].values():
                        content = response.get("content", {})
                        if content.get("application/json", {}).get("schema") == _PROBLEM:
                            content[MEDIA_TYPE] = content.pop("application/json")
        return document

    # FastAPI's documented way to extend the document.
    app.openapi = openapi  # type: ignore[method-assign]
