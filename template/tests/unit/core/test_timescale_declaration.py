"""as_hypertable and declared_hypertables: declarations, and those that contradict their table."""

import pytest
from sqlalchemy import Column, DateTime, Float, Index, Integer, MetaData, Table, UniqueConstraint
from sqlalchemy.schema import SchemaItem

from app.core.exceptions import ConfigurationError
from app.core.timescale import as_hypertable, declared_hypertables
from app.models.domain import load_metadata


def table(
    *more: SchemaItem, name: str = "readings", time: str = "at", segment_by: tuple[str, ...] = ("sensor",)
) -> Table:
    return Table(
        name,
        MetaData(),
        Column("sensor", Integer, primary_key=True),
        Column("at", DateTime(timezone=True), primary_key=True),
        Column("value", Float),
        *more,
        info=as_hypertable(time=time, segment_by=segment_by),
    )


def test_declared_hypertables_finds_them_among_plain_tables() -> None:
    found = {each.name: each for each in declared_hypertables(load_metadata())}

    assert found["measurements"].time == "observed_at"
    assert found["measurements"].segment_by == ("series_id",)
    assert "users" not in found


def test_hypertable_name_is_quoted_where_statements_need_it() -> None:
    (found,) = declared_hypertables(table(name='Odd "name"').metadata)

    assert found.name == '"Odd ""name"""'


def test_declared_hypertables_refuses_columns_that_do_not_exist() -> None:
    for wrong in (table(time="when"), table(segment_by=("device",))):
        with pytest.raises(ConfigurationError, match=r"does not have: (when|device)") as caught:
            declared_hypertables(wrong.metadata)
        assert caught.value.next_step


@pytest.mark.parametrize("key", [UniqueConstraint("value"), Index("ix", "value", unique=True)])
def test_declared_hypertables_refuses_a_unique_key_without_the_time(key: SchemaItem) -> None:
    with pytest.raises(ConfigurationError, match="unique key without its time column: value") as caught:
        declared_hypertables(table(key).metadata)
    assert caught.value.next_step == "Add at to the key, or drop the key."

    assert declared_hypertables(table(Index("ix", "value"), UniqueConstraint("value", "at")).metadata)
