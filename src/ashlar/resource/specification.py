"""The resource that is asked for: its names, its fields, and the files it consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ashlar.errors import RefusedError
from ashlar.resource.fields import Field, is_owner, parse_field, require_fields
from ashlar.resource.names import camel, plural_of, require_resource_name, with_article, words
from ashlar.resource.tables import USERS, Table, address_of

# PostgreSQL cuts a longer name off (documentation, 4.1.1).
_LONGEST = 63


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource to be written.

    Attributes:
        name: Of one of it, in snake case.
        plural: Of many.
        fields: Its fields.
        owned: True if each belongs to the user who made it.
    """

    name: str
    plural: str
    fields: Sequence[Field]
    owned: bool

    @property
    def model(self) -> str:
        """The name of its class."""
        return camel(self.name)

    @property
    def words(self) -> str:
        """One of it, as words."""
        return words(self.name)

    @property
    def article(self) -> str:
        """One of it, as words with an article."""
        return with_article(self.words)

    @property
    def many(self) -> str:
        """Many of it, as words."""
        return words(self.plural)

    @property
    def address(self) -> str:
        """The path of its routes."""
        return address_of(self.plural)

    @property
    def tag(self) -> str:
        """Its name in scopes and in the document."""
        return self.plural.replace("_", "-")

    @property
    def operations(self) -> list[str]:
        """The names of its operations, each of which the document has once."""
        one = [f"{verb}_{self.name}" for verb in ("create", "get", "change", "delete")]
        return [*one, f"list_{self.plural}"]

    @property
    def references(self) -> list[Field]:
        """The fields that refer to rows of tables."""
        return [field for field in self.fields if field.table]

    @property
    def guarded(self) -> list[Field]:
        """Those whose row must be the caller's, and that a test can have a row for."""
        return [each for each in self.references if each.table and each.table.is_guarded]

    @property
    def enums(self) -> list[Field]:
        """The fields with a list of values."""
        return [field for field in self.fields if field.literal]

    @property
    def optional(self) -> list[Field]:
        """The fields that may be null."""
        return [field for field in self.fields if field.nullable]

    @property
    def referred(self) -> list[Table]:
        """The tables that it refers to, each once."""
        found = {field.table.name: field.table for field in self.fields if field.table}
        return list(found.values())

    @property
    def knows_caller(self) -> bool:
        """True if a change of it depends on the user who asks for it."""
        return self.owned or any(table.owner for table in self.referred)

    @property
    def caller(self) -> str:
        """The name of the argument with that user's key."""
        return "owner_id" if self.owned else "caller_id"

    @property
    def paths(self) -> dict[str, str]:
        """The path of each file by the name of its template."""
        return {
            "model": f"src/app/models/domain/{self.name}.py",
            "schemas": f"src/app/models/schemas/{self.name}.py",
            "events": f"src/app/models/events/{self.name}.py",
            "repository": f"src/app/repositories/{self.plural}.py",
            "service": f"src/app/services/{self.plural}.py",
            "routes": f"src/app/api/routes/{self.plural}.py",
            "tests": f"tests/integration/api/test_{self.plural}.py",
        }

    @property
    def constraints(self) -> list[str]:
        """The names that the database will have for its keys, indexes and rules."""
        table = self.plural
        named = [f"pk_{table}", f"fk_{table}_owner_id_{USERS}", f"ix_{table}_owner_id_id"]
        for field in self.fields:
            if field.table:
                named.append(f"fk_{table}_{field.name}_{field.table.name}")
                named.append(f"ix_{table}_{field.name}")
            named.append(f"ck_{table}_{field.name}" if field.values else field.name)
        return named


def specify(
    name: str, asked: Sequence[str], *, plural: str | None, tables: Mapping[str, Table]
) -> Resource:
    """Return the resource that a command line asks for.

    Args:
        name: Its name.
        asked: Its fields, `name:type` each.
        plural: The plural of its name, where the rules do not give it.
        tables: The tables of the project.

    Raises:
        RefusedError: It cannot be written.
    """
    require_resource_name(name, "singular")
    many = plural or plural_of(name)
    require_resource_name(many, "plural")
    if many == name:
        raise RefusedError(
            f"One {words(name)} and many {words(many)} would have the same name.",
            next_step="Give the plural another name: --plural.",
        )
    if many in tables:
        raise RefusedError(
            f"There is a table {many} already, in {tables[many].module}. Nothing was written.",
            next_step="Choose another name, or --plural.",
        )
    owned = any(map(is_owner, asked))
    rest = [each for each in asked if not is_owner(each)]
    if len(asked) - len(rest) > 1:
        raise RefusedError("owner is there twice.", next_step="Leave one out.")
    # It may refer to itself: to its parent, say.
    itself = Table(
        name=many,
        model=camel(name),
        module=f"app.models.domain.{name}",
        owner="owner_id" if owned else "",
    )
    known = {**tables, many: itself}
    fields = [parse_field(each, known, model=camel(name)) for each in rest]
    require_fields(fields, taken=frozenset({"owner_id", f"{name}_id"}))
    resource = Resource(name=name, plural=many, fields=fields, owned=owned)
    too_long = [each for each in resource.constraints if len(each) > _LONGEST]
    if too_long:
        raise RefusedError(
            f"{too_long[0]} would be longer than PostgreSQL's {_LONGEST} characters for a name.",
            next_step="Choose shorter names.",
        )
    return resource
