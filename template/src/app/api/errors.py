"""The statuses of errors; every error is answered with a problem document (RFC 9457)."""

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from itertools import chain
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.core import exceptions, monitor
from app.core.logging import current_request_id, get_logger, log_error
from app.core.redaction import redact, redact_text

logger = get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

# A class stands for its subclasses, except for those with a line of their own. All others are a 500.
STATUS_OF: Final[Mapping[type[exceptions.AppException], HTTPStatus]] = {
    exceptions.ResourceNotFoundError: HTTPStatus.NOT_FOUND,
    exceptions.ResourceExistsError: HTTPStatus.CONFLICT,
    exceptions.ConcurrentUpdateError: HTTPStatus.CONFLICT,
    exceptions.BusinessRuleError: HTTPStatus.CONFLICT,
    exceptions.ValidationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    exceptions.AuthenticationError: HTTPStatus.UNAUTHORIZED,
    exceptions.AuthorizationError: HTTPStatus.FORBIDDEN,
    exceptions.RateLimitError: HTTPStatus.TOO_MANY_REQUESTS,
    exceptions.ExternalServiceError: HTTPStatus.SERVICE_UNAVAILABLE,
    exceptions.DatabaseConnectionError: HTTPStatus.SERVICE_UNAVAILABLE,
    exceptions.DatabaseConflictError: HTTPStatus.SERVICE_UNAVAILABLE,
    exceptions.DatabaseTimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
    exceptions.TimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
}
# Codes of the framework's errors are the names of their statuses, except where Python's versions disagree on them.
_CODE_OF_STATUS: Final[Mapping[int, str]] = {
    413: "BODY_TOO_LARGE",
    414: "URI_TOO_LONG",
    416: "RANGE_NOT_SATISFIABLE",
    422: exceptions.ValidationError.code,
}
# A part that was briefly away may be back after a second.
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}


class FieldProblem(BaseModel):
    """A value and the rule that it breaks."""

    field: str = Field(examples=["body.name"])
    message: str = Field(examples=["String should have at least 1 character"])


class Problem(BaseModel):
    """An error, for people (`title`, `detail`) and for programs (`error_code`)."""

    type: str = Field(
        default="about:blank", description="RFC 9457, 4.2.1: the status says it all; `error_code` tells cases apart."
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The status of the answer.", examples=[404])
    detail: str = Field(description="The error, as a sentence.", examples=["Item 7 does not exist."])
    error_code: str = Field(description="Stable: programs may rely on it.", examples=["NOT_FOUND"])
    request_id: str | None = Field(default=None, description="Finds this request in the log; quote it in a report.")
    field: str | None = Field(default=None, description="The value that breaks a rule.")
    errors: list[FieldProblem] | None = Field(default=None, description="All values that break rules.")
    details: object = Field(default=None, description="Facts about this case.")
    traceback: list[str] | None = Field(default=None, description="The place of the error; only with DEBUG on.")


def status_of(error: exceptions.AppException) -> HTTPStatus:
    """Return the status with which an error is answered."""
    return next(
        (STATUS_OF[base] for base in type(error).__mro__ if base in STATUS_OF), HTTPStatus.INTERNAL_SERVER_ERROR
    )


def install_error_handlers(app: FastAPI) -> None:
    """Answer the application's errors with problem documents; `ErrorMiddleware` answers all others."""

    @app.exception_handler(exceptions.AppException)
    async def on_app_exception(_request: Request, error: exceptions.AppException) -> JSONResponse:
        status = status_of(error)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return unexpected_error(error, debug=app.debug)
        if status > HTTPStatus.INTERNAL_SERVER_ERROR:
            log_error(logger, error)
        headers = _HEADERS.get(status)
        if isinstance(error, exceptions.RateLimitError):
            headers = {"Retry-After": str(error.retry_after)}
        return problem_answer(
            status,
            redact_text(error.message),
            headers,
            error_code=error.error_code,
            field=error.field if isinstance(error, exceptions.ValidationError) else None,
            details=redact(error.details) or None,
        )

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(WebSocketRequestValidationError)
    async def on_invalid_request(_request: Request, error: ValidationException) -> JSONResponse:
        # Pydantic's own report holds the input, which may be a password: place and rule are enough.
        broken = [
            FieldProblem(field=".".join(map(str, each["loc"])), message=str(each["msg"]).removeprefix("Value error, "))
            for each in error.errors()
        ]
        field = broken[0].field if broken else None
        return problem_answer(HTTPStatus.UNPROCESSABLE_ENTITY, "The request breaks a rule.", errors=broken, field=field)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if "Allow" in headers:
            # All methods of a path (RFC 9110, 10.2.1); the framework knows those of the first route that it tried.
            routes = [route for route in request.app.routes if isinstance(route, Route)]
            found = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
            headers["Allow"] = ", ".join(sorted({*headers["Allow"].split(", "), *chain.from_iterable(found)}))
        return problem_answer(HTTPStatus(error.status_code), redact_text(str(error.detail)), headers)


def unexpected_error(error: Exception, *, debug: bool) -> JSONResponse:
    """Return the answer to an unexpected error: an id, and with `debug` the traceback; the monitor gets the error."""
    support_id = current_request_id()
    monitor.capture_exception(error, context={"support_id": support_id})
    detail = f"Something went wrong on our side. Please quote {support_id} when you report it."
    lines = [redact_text(line) for line in traceback.format_exception(error)] if debug else None
    return problem_answer(
        HTTPStatus.INTERNAL_SERVER_ERROR, detail, error_code=exceptions.AppException.code, traceback=lines
    )


def problem_answer(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **values: object
) -> JSONResponse:
    """Return a problem document with these values of `Problem`; the code follows from the status unless given."""
    values = {"error_code": _CODE_OF_STATUS.get(status, status.name), "request_id": current_request_id(), **values}
    problem = Problem.model_validate({"title": status.phrase, "status": status.value, "detail": detail, **values})
    return JSONResponse(
        problem.model_dump(exclude_none=True), status_code=status.value, headers=headers, media_type=MEDIA_TYPE
    )
