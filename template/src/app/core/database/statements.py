"""Statements that are built once, from SQLAlchemy's expressions, and run on the driver's connection as they are.

SQLAlchemy's dialect compiles them, and its types convert values both ways. Its compiler and its types are documented
for authors of dialects alone: the tests of this module fail where they change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, Generic, TypeVar, cast, overload

from sqlalchemy import ColumnElement, Delete, Float, Insert, Select, TextClause, Update, inspect
from sqlalchemy.dialects.postgresql.asyncpg import dialect as make_dialect
from sqlalchemy.engine import Dialect

R = TypeVar("R")

Record = Sequence[Any]  # one row as the driver gives it
Core = Select[*tuple[Any, ...]] | Insert | Update | Delete

_DIALECT: Final[Dialect] = make_dialect()  # type: ignore[no-untyped-call]


class Statement(Generic[R]):
    """A statement with names for its values, and the type of its rows.

    The columns of `select(Item)` are those attributes that the rows' dataclass has fields for. What varies is a
    `bindparam`; a list, `any_(bindparam(…, type_=ARRAY(…)))`: `in_()` is another statement for each length.

    Text is for what an expression cannot say, and has rows of one column. `row` is a dataclass, or the type of the only
    column; without it, no rows come back. TypeError for a field without a column, or SQL that depends on values.
    """

    @overload
    def __init__(self: "Statement[None]", statement: Core | TextClause) -> None: ...
    @overload
    def __init__(self, statement: Core | TextClause, row: type[R]) -> None: ...
    def __init__(self, statement: Core | TextClause, row: Callable[..., R] | None = None) -> None:
        if is_dataclass(row):
            statement = _with_columns(cast("Core", statement), row)
        compiled = statement.compile(dialect=_DIALECT)
        names, binds = compiled.positiontup or [], compiled.binds
        if any(binds[name].expanding or binds[name].literal_execute for name in names):
            raise TypeError(f"This statement depends on its values; use any_() in place of in_(): {compiled}")
        self.sql = str(compiled)
        self._binds = [(name, binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for name in names]
        self._made: dict[str, Any] = {column.key: column.default for column in compiled.insert_prefetch or ()}
        self._made |= {column.key: column.onupdate for column in compiled.update_prefetch or ()}
        self._given = {name for name in names if binds[name].required}
        self._constants = {name: compiled.params[name] for name in names if name not in self._given}
        self._make_row = _row_maker(row, () if isinstance(statement, TextClause) else statement.exported_columns)

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of the placeholders; TypeError if they are not those it asks for."""
        if values.keys() != self._given:
            raise TypeError(f"This statement asks for {sorted(self._given)}, and was given {sorted(values)}.")
        if self._constants:
            made = {name: it.arg(None) if it.is_callable else it.arg for name, it in self._made.items()}
            values = {**values, **self._constants, **made}
        return [values[name] if process is None else process(values[name]) for name, process in self._binds]

    def rows(self, records: Sequence[Record]) -> list[R]:
        """Return the rows of the driver's records."""
        return [self._make_row(record) for record in records]


def _with_columns(statement: Core, row: type[Any]) -> Core:
    """Return the statement with a column for each field of the row: an attribute of its entities, or a label."""
    offered: dict[str, Any] = {}
    for each in statement.column_descriptions if isinstance(statement, Select) else [statement.entity_description]:
        found: Any = each["expr"]
        if found is each.get("entity"):
            offered |= {name: getattr(found, name) for name in inspect(found).mapper.column_attrs.keys()}  # noqa: SIM118
        else:
            offered[each["name"]] = found
    names = [field.name for field in fields(row)]
    if missing := ", ".join(name for name in names if name not in offered):
        raise TypeError(f"There is no column for {missing} of {row.__name__}: add a `.label(…)`, or one to the model.")
    chosen = [offered[name] for name in names]
    if isinstance(statement, Select):
        return statement.with_only_columns(*chosen, maintain_column_froms=True)
    return statement.returning(*chosen)


def _row_maker(row: Callable[..., R] | None, columns: Iterable[ColumnElement[Any]]) -> Callable[[Record], R]:
    make: Callable[..., R] = row if is_dataclass(row) else lambda value: value  # type: ignore[assignment]  # R, or one
    processors = []
    for index, column in enumerate(columns):
        # Of the server's types (pg_type.oid), float8 and numeric alone are converted by their numbers.
        number = 701 if isinstance(column.type, Float) else 1700
        if process := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, number):
            processors.append((index, process))
    if not processors:
        return lambda record: make(*record)

    def make_processed(record: Record) -> R:
        values = list(record)
        for index, process in processors:
            values[index] = process(values[index])
        return make(*values)

    return make_processed
