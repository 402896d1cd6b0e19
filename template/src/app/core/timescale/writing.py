"""Rows for hypertables: the age that is accepted, and many of them at once, as COPY."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import Table

from app.core.config.timescale import TimescaleSettings
from app.core.database import WriteSession
from app.core.exceptions import ConfigurationError, DatabaseConnectionError
from app.core.process import get_object
from app.core.timescale.extension import find_extension, quoted_name

# Connections whose server has been seen to load the extension, or not to need it.
_SAFE: Final[WeakSet[Any]] = WeakSet()


def get_accepted_age() -> timedelta:
    """Return the age up to which rows are accepted, so that callers make a bounded number of chunks.

    Raises:
        ConfigurationError: The process has not been opened.
    """
    return get_object(TimescaleSettings).accepted_age


async def lock_for_writing(session: WriteSession, table: Table) -> None:
    """Take the lock of an insert in the session's transaction, before the insert itself is planned.

    A COPY that waits while `app db upgrade` converts its table was planned for the plain one: it would write into the
    hypertable's root, where no query looks. A server that no longer loads the extension does that to every insert; it
    is asked once a connection, since a server loads libraries when it starts.

    Raises:
        DatabaseConnectionError: The table may be a hypertable, and the server does not load the extension.
        DatabaseTimeoutError: The table is locked, and stays so.
    """
    driver = await session.driver()
    if driver not in _SAFE:
        found = await find_extension(await session.orm())
        if found.created:
            try:
                found.require_loaded()
            except ConfigurationError as err:
                raise DatabaseConnectionError("Time series cannot be stored at the moment.") from err
        _SAFE.add(driver)
    await session.run(driver.execute, f"LOCK TABLE {quoted_name(table)} IN ROW EXCLUSIVE MODE")


async def copy_rows(
    session: WriteSession, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """Insert rows in the session's transaction: all of them, or none. It is the fastest way into PostgreSQL.

    The driver sends them while it encodes them, so that an iterator needs no more memory than a packet. COPY knows no
    ON CONFLICT: begin a savepoint (`atomic` inside of `atomic`) where a row may be there already.

    Args:
        session: The session whose transaction they become a part of.
        table: The table that takes them.
        columns: The names of each row's values, in this order.
        rows: Values as the driver takes them.

    Raises:
        DatabaseIntegrityError: A row contradicts a constraint. The transaction is spoilt up to its last savepoint.
        DatabaseException: The server refused them, or cannot be reached.
    """
    driver = await session.driver()
    copy = partial(driver.copy_records_to_table, schema_name=table.schema, columns=columns, records=rows)
    await session.run(copy, table.name)
