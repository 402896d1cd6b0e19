"""The files of a resource, made of the templates beside this module."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ashlar.resource.specification import Resource
from ashlar.resource.tables import Table


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("ashlar.resource"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 — Python's source, of names that were checked
    )
    made.filters["bracketed"] = "[{}]".format
    return made


def write_files(resource: Resource) -> dict[str, bytes]:
    """Return the files of a resource by their paths.

    They import all that any resource may need, a line of code may be long, and the order of imports
    is none: the project's ruff puts that right.
    """
    context = {"it": resource, **_phrases(resource)}
    return {
        path: _environment().get_template(f"{name}.py.jinja").render(context).encode()
        for name, path in resource.paths.items()
    }


def read_template(name: str) -> str:
    """Return a template that has nothing to fill in."""
    return _environment().get_template(f"{name}.py.jinja").render()


def _phrases(it: Resource) -> dict[str, object]:
    """Return the pieces of code that depend on whether there is an owner."""
    create = f"{it.model}Create.model_fields"
    sharing = "all callers who may read them share them"

    def owned_by_caller(table: Table) -> str:
        column = f"{table.model}.{table.owner}"
        return f', {column} == bindparam("{it.caller}")' if table.owner else ""

    key = f'{it.model}.id == bindparam("{it.name}_id")'
    values = "values" if it.references else "new.model_dump()"
    phrases: dict[str, object] = {
        "whose": "owner's " if it.owned else "",
        "this": f"(_OWN, {key})" if it.owned else f"({key},)",
        "inserted": f'{{"owner_id": owner_id, **{values}}}' if it.owned else values,
        "names": f'("owner_id", *{create})' if it.owned else create,
        "sharing": "each user has their own, and does not learn of others'"
        if it.owned
        else sharing,
        "constant": it.plural.upper(),
        "reader": "caller" if it.owned else "_caller",
        "changer": "caller" if it.knows_caller else "_caller",
        "owned_by_caller": owned_by_caller,
    }
    for who, name, known in (
        ("owner", "owner_id", it.owned),
        ("caller", it.caller, it.knows_caller),
        ("owners", it.caller, any(table.owner for table in it.referred)),
    ):
        phrases |= {
            f"{who}_argument": f"{name}: UUID, " * known,
            f"{who}_passed": f"{name}, " * known,
            f"{who}_value": f"{name}={name}, " * known,
            f"{who}_given": "caller.user_id, " * known,
        }
    return phrases
