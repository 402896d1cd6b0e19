"""Arguments of routes. The names carry the policy; the routes stay sentences."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

from app.core import database, uow


async def get_unit_of_work() -> AsyncIterator[uow.UnitOfWork]:
    """Yield a unit of work that is committed when the route has returned and before its answer is sent.

    The events recorded in it are published between the two. It opens its own session, instead of asking for one: a
    dependency that yields costs a request as much as a small route.
    """
    async with uow.unit_of_work() as unit:
        yield unit


# scope="function" is what puts the commit before the answer. With FastAPI's default scope the code after `yield` runs
# when the answer is on its way, so that a commit that fails would still answer 200.
UnitOfWork = Annotated[uow.UnitOfWork, Depends(get_unit_of_work, scope="function")]
# For a route with several transactions, in blocks of `atomic()`: nothing else commits them.
WriteSession = Annotated[database.WriteSession, Depends(database.get_db_session, scope="function")]
ReadSession = Annotated[database.ReadSession, Depends(database.get_read_session, scope="function")]
