"""Changes that a session would lose by its end: an error, which is raised where they would be lost in silence."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import DatabaseQueryError, UncommittedChangesError

# Only the server knows what textual statements, functions and COPY have changed. A row lock takes a transaction id,
# too, but no lock on a table that is stronger than those of readers (PostgreSQL documentation, 13.3.1); and a savepoint
# that was rolled back has given its locks back.
_HAS_CHANGED: Final = text(
    "SELECT pg_current_xact_id_if_assigned() IS NOT NULL AND EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() "
    "AND locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowShareLock'))"
)


async def require_committed(session: AsyncSession) -> None:
    """Return if the session has nothing left to commit. The server is asked inside an open transaction only.

    Raises:
        UncommittedChangesError: It has; or a failure was swallowed that took with it what was changed before.
    """
    if not session.in_transaction():
        return
    pending = session.new or session.deleted or any(session.is_modified(each) for each in session.dirty)
    try:
        changed = pending or await session.scalar(_HAS_CHANGED)
    except (DatabaseQueryError, PendingRollbackError) as err:
        raise UncommittedChangesError from err
    if changed:
        raise UncommittedChangesError
