"""Many rows at once, as COPY: the fastest way into PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Table, text

from app.core.database.engine import FAILED
from app.core.database.errors import error_of
from app.core.database.sessions import WriteSession
from app.core.exceptions import DatabaseConnectionError


async def copy_rows(
    session: WriteSession, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """Insert rows in the session's transaction: all of them, or none.

    The driver sends them while it encodes them, so that an iterator needs no more memory than a packet. COPY knows no
    ON CONFLICT: begin a savepoint (`atomic` inside of `atomic`) where a row may be there already.

    Args:
        session: Whose transaction they become a part of.
        table: Where they go.
        columns: What each row has, in this order.
        rows: Values as the driver takes them.

    Raises:
        DatabaseIntegrityError: A row contradicts a constraint. The transaction is spoilt up to its last savepoint.
        DatabaseException: The server refused them, or cannot be reached.
    """
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins with the first statement that goes through it.
        await connection.execute(text("SELECT 1"))
    try:
        await driver.copy_records_to_table(table.name, schema_name=table.schema, columns=columns, records=rows)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as err:
        if driver.is_closed():
            await connection.invalidate(err)
            raise DatabaseConnectionError("The connection to the database was lost.") from err
        if connection.sync_connection is not None:
            connection.sync_connection.info[FAILED] = True
        raise error_of(str(getattr(err, "sqlstate", None) or "")) from err
