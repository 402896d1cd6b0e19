"""as_hypertable and declared_hypertables."""

from sqlalchemy import Column, DateTime, MetaData, Table

from app.core.timescale import as_hypertable, declared_hypertables
from app.models.domain import load_metadata


def test_declared_hypertables_finds_them_among_plain_tables() -> None:
    found = {each.name: each for each in declared_hypertables(load_metadata())}

    assert found["measurements"].time == "observed_at"
    assert found["measurements"].segment_by == ("series_id",)
    assert "users" not in found


def test_hypertable_name_is_quoted_where_statements_need_it() -> None:
    at = Column("at", DateTime(timezone=True), primary_key=True)
    odd = Table('Odd "name"', MetaData(), at, info=as_hypertable(time="at"))
    (found,) = declared_hypertables(odd.metadata)

    assert found.name == '"Odd ""name"""'
