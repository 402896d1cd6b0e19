"""A step of setting up: a transaction of its own, one process at a time, with limits of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import WriteSession
from app.core.timescale.errors import refused
from app.core.uow import atomic

# Any number that nothing else in this database uses: replicas that start at the same moment take turns.
_LOCK: Final = 4_206_932


class Limits(NamedTuple):
    """What a step may take, in seconds; 0 is no limit.

    Attributes:
        lock: Waiting for a table that others use. Whoever comes after waits behind it, so that it should be short.
        statement: The work itself.
    """

    lock: float = 0
    statement: float = 0


@asynccontextmanager
async def take_turn(session: WriteSession, limits: Limits) -> AsyncIterator[None]:
    """Commit what is done inside, or nothing of it.

    Raises:
        ConfigurationError: The server refused it.
    """
    try:
        async with atomic(session):
            # Waiting for one's turn has no limit: another process may be converting a large table.
            await _limit(session, Limits())
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await _limit(session, limits)
            yield
    except DBAPIError as err:
        raise refused(err) from err


async def _limit(session: WriteSession, limits: Limits) -> None:
    await session.execute(
        text("SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true)"),
        {"lock": _milliseconds(limits.lock), "statement": _milliseconds(limits.statement)},
    )


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
