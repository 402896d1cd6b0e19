"""Writing into hypertables: the age that is accepted, and what an insert must hold before it is planned."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Table, text

from app.core.database import WriteSession
from app.core.exceptions import DatabaseConnectionError
from app.core.timescale import errors
from app.core.timescale.declaration import quoted_name
from app.core.timescale.extension import find_extension

# Marks a connection whose server has been seen to load the extension, or not to need it.
_SAFE: Final = "hypertables_are_safe"


class _Accepted:
    """The age up to which rows are accepted; the lifespan sets it."""

    age = timedelta(days=366)


def set_accepted_age(age: timedelta) -> None:
    """Set the age that `get_accepted_age` returns."""
    _Accepted.age = age


def get_accepted_age() -> timedelta:
    """Return the age up to which rows are accepted, so that callers make a bounded number of chunks."""
    return _Accepted.age


async def lock_for_writing(session: WriteSession, table: Table) -> None:
    """Take the lock of an insert in the session's transaction, before the insert itself is planned.

    A COPY that waits while `app db upgrade` converts its table was planned for the plain one: it would write into the
    hypertable's root, where no query looks. A server that no longer loads the extension does that to every insert; it
    is asked once a connection, since a server loads libraries when it starts.

    Raises:
        DatabaseConnectionError: The table may be a hypertable, and the server does not load the extension.
        DatabaseTimeoutError: The table is locked, and stays so.
    """
    info = await (await session.connection()).run_sync(lambda connection: connection.info)
    if _SAFE not in info:
        found = await find_extension(session)
        if found.created and not found.loaded:
            raise DatabaseConnectionError("Time series cannot be stored at the moment.") from errors.not_preloaded()
        info[_SAFE] = True
    await session.execute(text(f"LOCK TABLE {quoted_name(table)} IN ROW EXCLUSIVE MODE"))
