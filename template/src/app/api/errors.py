"""The statuses of errors; every error is answered with a problem document (RFC 9457)."""

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.core import exceptions, monitor
from app.core.logging import current_request_id, get_logger, log_error
from app.core.redaction import redact, redact_text
from app.models.schemas.problem import FieldProblem, Problem

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
    exceptions.PaymentError: HTTPStatus.PAYMENT_REQUIRED,
    exceptions.SignatureError: HTTPStatus.BAD_REQUEST,
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
# Seconds after which a part that was briefly away may be back.
_RETRY_AFTER: Final = 1


def status_of(error: exceptions.AppException) -> HTTPStatus:
    """Return the status with which an error is answered."""
    return next(
        (STATUS_OF[base] for base in type(error).__mro__ if base in STATUS_OF), HTTPStatus.INTERNAL_SERVER_ERROR
    )


def install_error_handlers(app: FastAPI) -> None:
    """Answer the application's errors with problem documents; `UnexpectedErrorMiddleware` answers all others."""

    @app.exception_handler(exceptions.AppException)
    async def on_app_exception(_request: Request, error: exceptions.AppException) -> JSONResponse:
        status = status_of(error)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return unexpected_error(error, debug=app.debug)
        if status > HTTPStatus.INTERNAL_SERVER_ERROR:
            log_error(logger, error)
        problem = Problem.of(status, redact_text(error.message), error.error_code, current_request_id())
        if isinstance(error, exceptions.ValidationError):
            problem.field = error.field
        if error.details:
            problem.details = redact(error.details)
        return _answer(problem, _headers(error, status))

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(WebSocketRequestValidationError)
    async def on_invalid_request(
        _request: Request, error: RequestValidationError | WebSocketRequestValidationError
    ) -> JSONResponse:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        problem = Problem.of(
            status, "The request breaks a rule.", exceptions.ValidationError.code, current_request_id()
        )
        # Pydantic's own report holds the input, which may be a password: place and rule are enough.
        problem.errors = [
            FieldProblem(field=".".join(map(str, each["loc"])), message=str(each["msg"]).removeprefix("Value error, "))
            for each in error.errors()
        ]
        problem.field = problem.errors[0].field if problem.errors else None
        return _answer(problem)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _allowed(request, headers.get("Allow", ""))
        return problem_answer(HTTPStatus(error.status_code), redact_text(str(error.detail)), headers)


def unexpected_error(error: Exception, *, debug: bool) -> JSONResponse:
    """Return the answer to an unexpected error: the caller gets an id, the monitor the error.

    Args:
        error: The error.
        debug: Put the traceback into the answer.
    """
    support_id = current_request_id()
    monitor.capture_exception(error, context={"support_id": support_id})
    detail = f"Something went wrong on our side. Please quote {support_id} when you report it."
    problem = Problem.of(HTTPStatus.INTERNAL_SERVER_ERROR, detail, exceptions.AppException.code, support_id)
    if debug:
        problem.traceback = [redact_text(lines) for lines in traceback.format_exception(error)]
    return _answer(problem)


def problem_answer(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer to an error of the framework, or of middleware."""
    code = _CODE_OF_STATUS.get(status, status.name)
    return _answer(Problem.of(status, detail, code, current_request_id()), headers)


def _headers(error: exceptions.AppException, status: HTTPStatus) -> dict[str, str] | None:
    if isinstance(error, exceptions.RateLimitError):
        return {"Retry-After": str(error.retry_after)}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(_RETRY_AFTER)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return None


def _allowed(request: Request, known: str) -> str:
    """All methods of a path (RFC 9110, 10.2.1); the framework knows those of the first route that it tried."""
    methods = {method for method in known.split(", ") if method}
    for route in request.app.routes:
        if isinstance(route, Route) and route.methods and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    return ", ".join(sorted(methods))


def _answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        problem.model_dump(exclude_none=True), status_code=problem.status, headers=headers, media_type=MEDIA_TYPE
    )
