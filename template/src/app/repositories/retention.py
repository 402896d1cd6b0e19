"""The deletion of rows that have had their use, a batch at a time."""

from sqlalchemy import ColumnElement, Table, delete, select

from app.core.database import Statement


def make_deletion(table: Table, condition: ColumnElement[bool], *, limit: int) -> Statement[None]:
    """Return the statement that deletes some of the rows for which a condition holds, the oldest keys first.

    Rows that others have locked are left for the next time: it waits for no lock, and locks no more than it deletes.
    """
    (key,) = table.primary_key
    old = select(key).where(condition).order_by(key).limit(limit).with_for_update(skip_locked=True)
    return Statement(delete(table).where(key.in_(old)))
