"""Statements whose prepared form a migration has made invalid, under a server that keeps running."""

from typing import Any

from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext


def execute_prepared(cursor: DBAPICursor, statement: str, parameters: Any, context: ExecutionContext) -> bool:  # noqa: ANN401 — SQLAlchemy's own
    """Listener for `do_execute`: execute a statement, and prepare it again where its columns have changed their types.

    Every connection of the pool has prepared it for itself, so that all requests of a moment would fail. It is repeated
    where it is the first of its transaction, which most reads are alone in; later ones fail, and are prepared anew the
    next time, on all connections.
    """
    dialect: Any = context.dialect
    pooled = context.root_connection.connection
    begins = not pooled.driver_connection.is_in_transaction()  # type: ignore[union-attr]
    try:
        cursor.execute(statement, parameters)
    except dialect.loaded_dbapi.InvalidCachedStatementError as err:
        if not begins:
            raise
        pooled.rollback()
        # SQLAlchemy forgets by this what was prepared before now, on all connections, and tells the cursor so.
        context.handle_dbapi_exception(err)
        context.pre_exec()
        cursor.execute(statement, parameters)
    return True
