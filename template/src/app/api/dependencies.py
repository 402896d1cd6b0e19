"""The arguments routes ask for. The names carry the policy; the routes stay sentences."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.api.state import ProcessState
from app.core import database, uow


async def get_unit_of_work() -> AsyncIterator[uow.UnitOfWork]:
    """A unit of work that is committed when the route has returned and before its answer is sent.

    The events recorded in it are published between the two. It opens its own session, instead of asking for one: a
    dependency that yields costs a request as much as a small route.
    """
    async with uow.unit_of_work() as unit:
        yield unit


# scope="function" is what puts the commit before the answer. With FastAPI's default scope the code after `yield` runs
# when the answer is on its way, so that a commit that fails would still answer 200.
UnitOfWork = Annotated[uow.UnitOfWork, Depends(get_unit_of_work, scope="function")]
# For a route that decides for itself what belongs together, in blocks of `atomic()`: nobody else commits it.
WriteSession = Annotated[database.WriteSession, Depends(database.get_db_session, scope="function")]
ReadSession = Annotated[database.ReadSession, Depends(database.get_read_session, scope="function")]


async def get_process(connection: HTTPConnection) -> ProcessState:
    """Return the objects that the lifespan has opened for this process; web sockets may ask, too."""
    # By its key: as an attribute it would be looked for in vain first, on every request.
    state: ProcessState = connection.app.state["process"]
    return state


Process = Annotated[ProcessState, Depends(get_process)]
