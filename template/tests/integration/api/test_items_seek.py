"""The plans of listings, over as many rows as it takes for the planner to choose as it does in production."""

from typing import Any, Final, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.database import ReadSession, Statement
from app.models.schemas.item import ItemQuery
from app.models.schemas.page import Cursor
from app.repositories.items import list_items
from app.repositories.users import UserRow
from tests.factories import make_user

pytestmark = pytest.mark.anyio

R = TypeVar("R")

ROWS: Final = 100_000
FILL: Final = text(
    "INSERT INTO items (id, owner_id, sku, name) "
    "SELECT lpad(to_hex(n), 32, '0')::uuid, CASE WHEN n % 100 = 0 THEN cast(:owner_id AS uuid) ELSE :other_id END, "
    "'SKU-' || n, 'Item' FROM generate_series(1, :rows) AS n"
)


class Explained(ReadSession):
    """Returns no rows, and keeps the plan that there would be for them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.plan: dict[str, Any] = {}

    async def all(self, statement: Statement[R], /, **values: object) -> list[R]:
        raw = await self._connection.get_raw_connection()
        driver: Any = raw.driver_connection
        sql = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
        ((found,),) = await driver.fetch(sql, *statement.arguments(values))
        self.plan = found[0]["Plan"]
        return []


async def test_list_items_seeks_to_its_page_in_the_index(transaction: AsyncConnection, member: UserRow) -> None:
    other, _ = await make_user()
    await transaction.execute(FILL, {"owner_id": member.id, "other_id": other.id, "rows": ROWS})
    await transaction.execute(text("ANALYZE items"))
    session = Explained(transaction)

    await list_items(session, member.id, ItemQuery(limit=50), after=Cursor(id=UUID(int=10_000)), fuzzy=False)

    limit, (scan,) = session.plan, session.plan["Plans"]
    assert (limit["Node Type"], scan["Node Type"], scan["Scan Direction"]) == ("Limit", "Index Scan", "Backward")
    assert scan["Index Name"] == "ix_items_owner_id_id"
    assert "(id < " in scan["Index Cond"]
    assert "Filter" not in scan
    assert scan["Actual Rows"] == 51, (
        "one more than asked for: nine in ten of the owner's are newer, and none is passed over"
    )
