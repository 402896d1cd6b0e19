"""Statement: SQLAlchemy's expressions compiled once, values and rows converted as SQLAlchemy does, misuse refused."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    ARRAY,
    DateTime,
    Double,
    Float,
    Integer,
    Numeric,
    Text,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, aliased, mapped_column, registry

from app.core.database import Database, Statement, Timestamps, UuidKey, get_async_session
from app.core.uow import atomic

pytestmark = pytest.mark.anyio


class Kind(Enum):
    """The kinds of a thing."""

    SMALL = "small"
    LARGE = "large"


# Apart from the application's tables, which migrations compare.
_registry = registry(type_annotation_map={dict[str, Any]: JSONB, datetime: DateTime(timezone=True)})


@_registry.mapped
class Thing(UuidKey, Timestamps):
    """A row with a column of each type that is converted on its way, one of them under another name."""

    __tablename__ = "things"

    kind: Mapped[Kind]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attributes: Mapped[dict[str, Any]] = mapped_column("metadata")
    price: Mapped[Decimal] = mapped_column(Numeric)
    weight: Mapped[float]
    version: Mapped[int] = mapped_column(default=1, onupdate=lambda: 7)


@dataclass(slots=True)
class Row:
    """All of a thing."""

    id: UUID
    kind: Kind
    tags: list[str]
    attributes: dict[str, Any]
    price: Decimal
    weight: float
    version: int
    created_at: datetime


VALUES = {
    "kind": Kind.LARGE,
    "tags": ["a", "b"],
    "attributes": {"n": [1, None, {"é": True}]},
    "price": Decimal("1.10"),
    "weight": 0.1,
}
GIVEN: dict[str, Any] = {name: bindparam(name) for name in VALUES}


@pytest.fixture
async def things(database: Database) -> Database:
    """The module's database with an empty table of things."""
    async with database.writing.engine.begin() as connection:
        await connection.run_sync(_registry.metadata.create_all)
        await connection.execute(delete(Thing))
    return database


async def test_values_and_rows_are_converted_as_sqlalchemy_does(things: Database) -> None:
    insert_thing = Statement(insert(Thing).values(GIVEN), Row)
    async with get_async_session() as session, atomic(session):
        made = await session.one(insert_thing, **VALUES)
        entity = await (await session.orm()).get_one(Thing, made.id)
        assert [getattr(entity, field.name) for field in fields(Row)] == [getattr(made, f.name) for f in fields(Row)]

    found = await things.reader.one(Statement(select(Thing).where(Thing.id == bindparam("id")), Row), id=made.id)

    assert found == made
    assert {name: getattr(found, name) for name in VALUES} == VALUES
    assert (found.version, found.created_at.tzinfo) == (1, UTC)


async def test_defaults_of_python_are_made_for_each_row_and_change(things: Database) -> None:
    insert_thing = Statement(insert(Thing).values(GIVEN), Row)
    change = Statement(update(Thing).values(price=Thing.price + bindparam("more", type_=Numeric)), Row)
    async with get_async_session() as session, atomic(session):
        first, second = [await session.one(insert_thing, **VALUES) for _ in range(2)]
        assert first.id != second.id
        changed = await session.all(change, more=Decimal("0.9"))

    assert {(row.version, row.price) for row in changed} == {(7, Decimal("2.0"))}


async def test_constants_are_sent_along_and_lists_are_one_value(things: Database) -> None:
    statement = select(literal(3) + bindparam("n", type_=Integer)).where(
        bindparam("word", type_=Text) == any_(bindparam("words", type_=ARRAY(Text)))
    )
    prepared = Statement(statement, int)

    assert await things.reader.one(prepared, n=1, word="b", words=["a", "b"]) == 4
    assert await things.reader.one_or_none(prepared, n=1, word="c", words=["a", "b"]) is None
    assert await things.reader.one(Statement(select(func.sum(literal(0.5, Double))), float)) == 0.5
    assert await things.reader.one(Statement(select(literal(Decimal("0.5"), Float)), float)) == 0.5


def test_columns_are_those_of_the_row_from_entities_and_labels() -> None:
    @dataclass(slots=True)
    class Seen:
        id: UUID
        attributes: dict[str, Any]
        rank: int

    statement = Statement(select(aliased(Thing), literal(1).label("rank")), Seen)

    assert statement.sql.startswith("SELECT things_1.id, things_1.metadata, $1::INTEGER AS rank \nFROM things AS")
    with pytest.raises(TypeError, match=r"no column for rank of Seen: add a `.label"):
        Statement(select(Thing), Seen)


@pytest.mark.parametrize(
    "statement",
    [
        select(Thing.id).where(Thing.id.in_([uuid4()])),
        select(Thing.id).where(Thing.id.in_(bindparam("ids", expanding=True))),
        select(Thing.id).limit(bindparam("limit", literal_execute=True)),
    ],
)
def test_a_statement_that_depends_on_its_values_is_refused_when_it_is_built(statement: Any) -> None:
    with pytest.raises(TypeError, match="any_"):
        Statement(statement, UUID)


@pytest.mark.parametrize("values", [{}, {"n": 1, "m": 2}, {"m": 1}])
async def test_values_that_are_not_those_asked_for_are_refused(values: dict[str, int], database: Database) -> None:
    with pytest.raises(TypeError, match=r"asks for \['n'\]"):
        await database.reader.one(Statement(select(bindparam("n", type_=Integer)), int), **values)


async def test_one_and_one_or_none_refuse_several_rows(database: Database) -> None:
    several = Statement(text("SELECT generate_series(1, 2)"), int)

    for read in (database.reader.one, database.reader.one_or_none):
        with pytest.raises(ValueError, match="too many"):
            await read(several)
    with pytest.raises(ValueError, match="not enough"):
        await database.reader.one(Statement(text("SELECT 1 WHERE false"), int))
