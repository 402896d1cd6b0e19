"""One route, served many times over: bare, and each time with one part more of the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from app.api.dependencies import Caller, ReadSession, UnitOfWork
from app.api.middleware.context import RequestContextMiddleware, request_spans
from app.core.telemetry.opentelemetry import Traces
from fastapi import Depends, FastAPI, Request
from fastapi.middleware import Middleware
from pydantic import BaseModel, ConfigDict, Field

Route = Callable[..., Any]

LOGGED = "uvicorn's own access log"
IDENTITY = "identity, beyond that"
READ_SESSION = "read session, unused"
UNIT_OF_WORK = "unit of work, unused"
METRICS = "metrics, beyond identity"
TRACES = "traces, beyond identity"


class Thing(BaseModel):
    """The response: a row of the usual width."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    sku: str
    name: str = Field(max_length=200)
    description: str | None
    tags: list[str]
    attributes: dict[str, int | str]
    version: int = Field(ge=1)
    created_at: datetime
    updated_at: datetime


@dataclass
class Row:
    """The row that a query would return, for the answer's model to be read from."""

    id: UUID
    sku: str = "CHAIR-042"
    name: str = "Garden chair"
    description: str | None = "Folds flat."
    tags: Sequence[str] = ("garden", "wood")
    attributes: dict[str, int | str] = field(default_factory=lambda: {"color": "green", "legs": 4})
    version: int = 1
    created_at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    updated_at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def bare(thing_id: UUID) -> Row:
    """Get by id, without a database, a caller, or anything around it."""
    return Row(thing_id)


async def nothing(request: Request) -> None:
    """A dependency that only costs what FastAPI spends on calling one."""


async def with_dependency(thing_id: UUID, _nothing: Annotated[None, Depends(nothing)]) -> Row:
    """The same, with a dependency."""
    return Row(thing_id)


async def with_caller(thing_id: UUID, _caller: Caller) -> Row:
    """The same, told who is calling."""
    return Row(thing_id)


async def with_read_session(thing_id: UUID, _caller: Caller, _session: ReadSession) -> Row:
    """The same, with a session that it does not use."""
    return Row(thing_id)


async def with_unit_of_work(thing_id: UUID, _caller: Caller, _uow: UnitOfWork) -> Row:
    """The same, with a transaction that it does not use."""
    return Row(thing_id)


@dataclass
class Step:
    """An application with one part more than the step that `on` names.

    Attributes:
        label: What was added.
        app: The application.
        on: What it was added to; None for the floor.
        uvicorn_logs: Whether uvicorn writes its own access log for it.
        port: Where it is served.
        costs: Microseconds of CPU per request, a list of rounds for each way of asking.
    """

    label: str
    app: FastAPI
    on: Step | None
    uvicorn_logs: bool = False
    port: int = 0
    costs: dict[str, list[float]] = field(default_factory=dict)


def steps_of(project: FastAPI, traces: Traces) -> list[Step]:
    """Return the floor, the project's middleware from the inside out, and its dependencies.

    The second one is the floor with uvicorn's access log, which a plain application pays. The last
    two are what metrics and traces add where they are switched on.
    """
    installed: list[Any] = project.user_middleware
    # Switched off, as they are here, metrics cost the look at a switch.
    assert not any(each.kwargs.get("counts") for each in installed)
    steps: list[Step] = []

    def add(
        label: str, middleware: Sequence[Any], route: Route, on: Step | None, **options: Any
    ) -> Step:
        app = FastAPI(openapi_url=None, middleware=middleware, **options)
        app.add_api_route("/things/{thing_id}", route, response_model=Thing)
        steps.append(Step(label, app, on))
        return steps[-1]

    last = floor = add("a bare route", [], bare, None)
    add(LOGGED, [], bare, floor).uvicorn_logs = True
    for index in reversed(range(len(installed))):
        last = add(installed[index].cls.__name__, installed[index:], bare, last)
    last = add("a dependency as such", installed, with_dependency, last)
    caller = add(IDENTITY, installed, with_caller, last)
    add(READ_SESSION, installed, with_read_session, caller)
    add(UNIT_OF_WORK, installed, with_unit_of_work, caller)
    counting = [
        Middleware(RequestContextMiddleware, **{**each.kwargs, "counts": True})
        if each.cls is RequestContextMiddleware
        else each
        for each in installed
    ]
    add(METRICS, counting, with_caller, caller)
    add(TRACES, installed, with_caller, caller, telemetry=request_spans(traces))
    return steps
