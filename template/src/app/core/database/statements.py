"""Statements that are built once, from SQLAlchemy's expressions, and run on the driver's connection as they are.

SQLAlchemy's session takes two thirds of the time of a short query: it looks up what it has compiled before, makes a
result of each answer and an entity of each row. A statement here is compiled when its module is imported, by
SQLAlchemy's own dialect, with its conversion of values both ways; what is left is a list of values and a class of rows.

The compiler is documented for authors of dialects alone. Of it, this module uses `positiontup`, `binds`, `params`,
`insert_prefetch` and `update_prefetch`; of types, `dialect_impl` and the processors of binds and results. The tests of
this module fail where they change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, Generic, TypeVar, overload

from sqlalchemy import Delete, Float, Insert, Select, TextClause, Update, inspect
from sqlalchemy.dialects.postgresql.asyncpg import dialect as make_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

R = TypeVar("R")

# One row as the driver gives it.
Record = Sequence[Any]
Core = Select[*tuple[Any, ...]] | Insert | Update | Delete

_DIALECT: Final[Dialect] = make_dialect()  # type: ignore[no-untyped-call]


class Statement(Generic[R]):
    """A statement with names for its values, and the type of its rows.

    The columns follow from the fields of the rows, so that the two cannot differ: of `select(Item)` and `insert(Item)`,
    those attributes of the entity that the dataclass has fields for. What varies is a `bindparam`, the rest constant.
    A list is compared with `any_(bindparam(…, type_=ARRAY(…)))`: `in_()` is another statement for each length.

    Args:
        statement: A select, insert, update or delete; text for what those cannot say, in rows of one column.
        row: A dataclass, or the type of the only column; without it, no rows come back.
        columns: Expressions for those fields that the statement has no attribute or label for.

    Raises:
        TypeError: A field has no column, or the text of the statement depends on its values.
    """

    __slots__ = ("_binds", "_given", "_literals", "_made", "_make_row", "sql")

    @overload
    def __init__(self: "Statement[None]", statement: Core | TextClause) -> None: ...
    @overload
    def __init__(self, statement: Core | TextClause, row: type[R], **columns: object) -> None: ...
    def __init__(self, statement: Core | TextClause, row: Callable[..., R] | None = None, **columns: object) -> None:
        if is_dataclass(row):
            statement = _with_columns(statement, [field.name for field in fields(row)], columns)
        compiled = statement.compile(dialect=_DIALECT)
        names, binds = compiled.positiontup or [], compiled.binds
        if any(binds[name].expanding or binds[name].literal_execute for name in names):
            raise TypeError(f"This statement depends on its values; use any_() in place of in_(): {compiled}")
        self.sql = str(compiled)
        self._binds = [(name, binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for name in names]
        self._made = {column.key: _maker(column.default) for column in compiled.insert_prefetch or ()}
        self._made |= {column.key: _maker(column.onupdate) for column in compiled.update_prefetch or ()}
        self._given = {name for name in names if binds[name].required and name not in self._made}
        self._literals = {name: compiled.params[name] for name in {*names} - self._given - self._made.keys()}
        types = [] if isinstance(statement, TextClause) else [column.type for column in statement.exported_columns]
        self._make_row = _row_maker(row, types) if row else None

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of the placeholders, as the driver takes them.

        Raises:
            TypeError: They are not those that the statement asks for.
        """
        if values.keys() != self._given:
            raise TypeError(f"This statement asks for {sorted(self._given)}, and was given {sorted(values)}.")
        if self._literals or self._made:
            values = {**values, **self._literals, **{name: make() for name, make in self._made.items()}}
        return [values[name] if process is None else process(values[name]) for name, process in self._binds]

    def rows(self, records: Sequence[Record]) -> list[R]:
        """Return the rows of the driver's records."""
        if self._make_row is None:
            raise TypeError(f"This statement returns no rows: {self.sql}")
        return [self._make_row(record) for record in records]


def _with_columns(statement: Core | TextClause, names: Sequence[str], columns: Mapping[str, object]) -> Core:
    """Return the statement with a column for each name, and no others."""
    if isinstance(statement, TextClause):
        raise TypeError("The columns of a text are not known: its rows are of one column.")
    offered: dict[str, Any] = {**_offered(statement), **columns}
    if missing := [name for name in names if name not in offered]:
        raise TypeError(f"There is no column for {', '.join(missing)}.")
    chosen = [offered[name] for name in names]
    if isinstance(statement, Select):
        return statement.with_only_columns(*chosen, maintain_column_froms=True)
    return statement.returning(*chosen)


def _offered(statement: Core) -> dict[str, Any]:
    """Return a statement's columns by the names of its attributes and labels."""
    offered: dict[str, Any] = {}
    described = statement.column_descriptions if isinstance(statement, Select) else [statement.entity_description]
    for each in described:
        found: Any = each["expr"]
        if found is each.get("entity"):
            offered |= {
                attribute.key: getattr(found, attribute.key) for attribute in inspect(found).mapper.column_attrs
            }
        else:
            offered[str(each["name"])] = found
    return offered


def _maker(default: Any) -> Callable[[], object]:  # noqa: ANN401 — one of SQLAlchemy's defaults
    return lambda: default.arg(None) if default.is_callable else default.arg


def _server_type(kind: TypeEngine[Any]) -> int:
    """Return the server's number of a type, which numbers alone are converted by: float8 or numeric (pg_type.oid)."""
    return 701 if isinstance(kind, Float) else 1700


def _row_maker(row: Callable[..., R], types: Sequence[TypeEngine[Any]]) -> Callable[[Record], R]:
    found = [each.dialect_impl(_DIALECT).result_processor(_DIALECT, _server_type(each)) for each in types]
    processors = [(index, process) for index, process in enumerate(found) if process is not None]

    def processed(record: Record) -> Record:
        values = list(record)
        for index, process in processors:
            values[index] = process(values[index])
        return values

    if not is_dataclass(row):
        return (lambda record: processed(record)[0]) if processors else (lambda record: record[0])
    make: Callable[..., R] = row  # type: ignore[assignment]  # narrowed to a dataclass, it is one of no type
    return (lambda record: make(*processed(record))) if processors else (lambda record: make(*record))
