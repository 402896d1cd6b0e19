"""The statement on the audit of items."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from app.core.database import Statement, WriteSession
from app.models.domain.item_change import ItemChange

_INSERT: Final = Statement(
    insert(ItemChange).values(
        {name: bindparam(name) for name in ("item_id", "owner_id", "action", "changed", "request_id")}
    )
)


async def insert_change(session: WriteSession, values: Mapping[str, object]) -> None:
    """Insert a change."""
    await session.execute(_INSERT, **values)
