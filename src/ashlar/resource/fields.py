"""The fields of a resource, as they are asked for: `name:type`, with `?` where null is a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ashlar.errors import RefusedError
from ashlar.resource.kinds import ENUM, KINDS, REFERENCE, Kind
from ashlar.resource.names import camel, require_field_name, require_name, with_article, words
from ashlar.resource.tables import USERS, Table

OWNER = "owner"
_FIELD = re.compile(
    r"(?P<name>[^:]*):(?P<kind>[A-Za-z0-9_]+)(?:\((?P<values>[^()]*)\))?(?P<null>\??)"
)
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
# Names that the module of schemas imports, and that no type of a field's can have there.
_IMPORTED = frozenset(
    {"Annotated", "ConfigDict", "Cursor", "Day", "Decimal", "END", "Exact", "Field", "Input"}
    | {"JsonObject", "JsonValue", "Line", "Literal", "LongText", "Moment", "PageSize", "TypedDict"}
)


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a resource, with the words that the templates need.

    Attributes:
        asked: Its name as it was asked for.
        kind: Its type.
        nullable: True if it may be null.
        values: The values of an enum.
        literal: The name of the enum's type.
        table: The table that it refers to.
    """

    asked: str
    kind: Kind
    nullable: bool = False
    values: tuple[str, ...] = ()
    literal: str = ""
    table: Table | None = None

    @property
    def name(self) -> str:
        """Its name in every layer: that of a reference ends with `_id`."""
        return f"{self.asked.removesuffix('_id')}_id" if self.table else self.asked

    @property
    def alias(self) -> str:
        """The name of its type in the module of schemas."""
        name = camel(self.name)
        return f"{name}Value" if name in _IMPORTED else name

    @property
    def mapped(self) -> str:
        """The type of the model's attribute."""
        return f"Mapped[{self.literal or self.kind.python}{self.none}]"

    @property
    def column(self) -> str:
        """The arguments of `mapped_column`, or nothing where the type says it all."""
        if self.table:
            # A row goes with the one that it cannot be without.
            ends = "SET NULL" if self.nullable else "CASCADE"
            return f'ForeignKey("{self.table.name}.id", ondelete="{ends}"), index=True'
        if self.values:
            return f"String({max(20, *map(len, self.values))})"
        # Otherwise, None would be stored as JSON's null.
        return "JSONB(none_as_null=True)" if self.kind.column == "JSONB" else self.kind.column

    @property
    def assigned(self) -> str:
        """The value of the model's attribute."""
        return f" = mapped_column({self.column})" if self.column else ""

    @property
    def none(self) -> str:
        """The rest of a type that allows None."""
        return " | None" if self.nullable else ""

    @property
    def schema(self) -> str:
        """The type on the wire."""
        rules = [self.kind.rules] if self.kind.rules else []
        if self.table:
            rules.append(f'description="The key of {self.table.article}."')
            # For requests that are made of the document's examples.
            keys = f'json_schema_extra={{"x-keys-at": "{self.table.address}"}}'
            rules.append(keys if self.table.address else "examples=[None]")
        if self.kind.shown:
            rules.append(f"examples=[{self.example}]")
        wire = self.literal or self.kind.schema
        return f"Annotated[{wire}, Field({', '.join(rules)})]" if rules else wire

    @property
    def example(self) -> str:
        """A value as JSON has it, as Python's source."""
        return f'"{self.values[0]}"' if self.values else self._filled(self.kind.example)

    @property
    def given(self) -> str:
        """A value for a test to begin with, as Python's source."""
        if self.table and self.table.address:
            return f'await key_at(client, "{self.table.address}")'
        return self.example

    @property
    def changed(self) -> str:
        """A value for a test to go on with, as Python's source."""
        if self.nullable:
            return "None"
        if self.table:
            return f'values["{self.name}"]'
        return f'"{self.values[-1]}"' if self.values else self._filled(self.kind.other)

    def _filled(self, text: str) -> str:
        named = with_article(words(self.name))
        return text.replace("NAME", f"{named[0].upper()}{named[1:]}")


def parse_field(text: str, tables: Mapping[str, Table], *, model: str) -> Field:
    """Return the field that a text asks for.

    Args:
        text: `name:type`, `name:type?`, `name:enum(a,b)` or `name:table`.
        tables: The tables of the project.
        model: The name of the resource's class.

    Raises:
        RefusedError: It asks for nothing that can be written.
    """
    found = _FIELD.fullmatch(text)
    if found is None:
        raise RefusedError(
            f"{text!r} is no field.",
            next_step="Write name:type, such as title:str, due:datetime?, project:projects or "
            "'status:enum(open,closed)'.",
        )
    name, kind, listed = found["name"], found["kind"], found["values"]
    require_name(name, "a field")
    nullable = bool(found["null"])
    if kind == "enum":
        values = _values(name, listed)
        literal = f"{model}{camel(name)}"
        return Field(asked=name, kind=ENUM, nullable=nullable, values=values, literal=literal)
    if listed is not None:
        raise RefusedError(
            f"{kind} of {name} has no values to choose from.", next_step=f"Write {name}:{kind}."
        )
    if kind in KINDS:
        return Field(asked=name, kind=KINDS[kind], nullable=nullable)
    if kind not in tables:
        raise RefusedError(
            f"There is no type and no table called {kind!r}.",
            next_step=f"The types are {', '.join([*KINDS, 'enum(a,b)'])}; the tables are "
            f"{', '.join(sorted(tables))}.",
        )
    return _reference(name, tables[kind], nullable=nullable)


def require_fields(fields: list[Field], *, taken: frozenset[str]) -> None:
    """Check the names of fields: none is reserved, and none is there twice.

    Args:
        fields: The fields.
        taken: The names that the resource's own keys have.

    Raises:
        RefusedError: One is.
    """
    if not fields:
        raise RefusedError(
            "A resource needs a field of its own.", next_step="Add one, such as title:str."
        )
    names: set[str] = set()
    for field in fields:
        require_field_name(field.name, taken=taken)
        if field.name in names:
            raise RefusedError(
                f"{field.name} is there twice.", next_step="Leave one out, or give it another name."
            )
        names.add(field.name)


def _values(name: str, listed: str | None) -> tuple[str, ...]:
    values = tuple(each.strip() for each in (listed or "").split(","))
    if not all(map(_VALUE.fullmatch, values)) or len({*values}) < len(values):
        raise RefusedError(
            f"The enum {name} needs values: letters, digits, - and _, each once.",
            next_step=f"Write '{name}:enum(open,closed)', in quotes for the shell's sake.",
        )
    return values


def _reference(name: str, table: Table, *, nullable: bool) -> Field:
    if not table.has_key:
        raise RefusedError(
            f"{table.name} cannot be referred to: it has no key of the house's (UuidKey) in "
            "app.models.domain.",
            next_step="Leave the field out, and write the reference by hand.",
        )
    if not nullable and not table.address:
        raise RefusedError(
            f"{name} would need a row of {table.name} in each request, and no address makes one: "
            "the tests could not.",
            next_step=f"Let it be null: {name}:{table.name}?",
        )
    return Field(asked=name, kind=REFERENCE, nullable=nullable, table=table)


def is_owner(text: str) -> bool:
    """Return True if a text asks for an owner: the caller, and no field.

    Raises:
        RefusedError: It asks for an owner that is not a user, or may be null.
    """
    name, _, kind = text.partition(":")
    if name != OWNER:
        return False
    if kind != USERS:
        raise RefusedError(
            f"An owner is the user who calls, and is never null; {text} is not.",
            next_step=f"Write {OWNER}:{USERS}, or call the field something else.",
        )
    return True
