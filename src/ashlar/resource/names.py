"""The names of resources and fields: their forms in English and in code, and those refused."""

from __future__ import annotations

import builtins
import keyword
import re

from ashlar.errors import RefusedError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# `create_…` and `list_…` are the names of operations, of which generated clients make functions:
# a test of each project holds them to 30 characters.
_LONGEST = {"singular": 23, "plural": 25}

# The words that the written code has for other things.
_LOCAL = frozenset({"caller", "change", "new", "response", "router", "session", "uow", "which"})
# Attributes of the classes that the fields come to stand in: SQLAlchemy's and Pydantic's.
_ATTRIBUTES = frozenset(
    {"metadata", "registry", "type_annotation_map", "construct", "copy", "dict", "from_orm", "json"}
    | {"parse_file", "parse_obj", "parse_raw", "schema", "schema_json", "update_forward_refs"}
    | {"validate"}
)
_COLUMNS = frozenset({"id", "created_at", "updated_at"})
# A field of such a name would hide the type from the fields below it.
_TYPES = frozenset({"bool", "bytes", "date", "datetime", "float", "int", "list", "str"})


def require_name(name: str, what: str) -> None:
    """Check that a text is a name in snake case, and no word of Python's.

    Args:
        name: The text.
        what: What it is the name of.

    Raises:
        RefusedError: It is not.
    """
    if not _NAME.fullmatch(name):
        raise RefusedError(
            f"{name!r} cannot be the name of {what}.",
            next_step="Write it in lower case, with underscores between words: support_ticket.",
        )
    if keyword.iskeyword(name) or (name in {"match", "type"} and what != "a field"):
        raise RefusedError(
            f"{name!r} is a word of Python's, and cannot be the name of {what}.",
            next_step="Choose another name.",
        )


def require_resource_name(name: str, form: str) -> None:
    """Check that a name can be that of a resource, `singular` or `plural`.

    Raises:
        RefusedError: It cannot.
    """
    require_name(name, "a resource")
    if name in _LOCAL or hasattr(builtins, name):
        raise RefusedError(
            f"{name!r} has a meaning of its own in the code that would be written.",
            next_step=f"Choose a name that says more, such as support_{name}.",
        )
    if len(name) > _LONGEST[form]:
        raise RefusedError(
            f"{name} is longer than {_LONGEST[form]} characters: the names of its operations would "
            "be longer than generated clients like.",
            next_step="Choose a shorter name.",
        )


def require_field_name(name: str, *, taken: frozenset[str]) -> None:
    """Check that a name can be that of a field.

    Args:
        name: The name.
        taken: The names that the resource's own keys have.

    Raises:
        RefusedError: It cannot.
    """
    require_name(name, "a field")
    if name in _TYPES:
        raise RefusedError(
            f"A field cannot be called {name!r}, which is the name of a type.",
            next_step=f"Say which {name} it is, such as due_{name}.",
        )
    if name in _COLUMNS | taken:
        raise RefusedError(
            f"The resource has {name!r} already: it is written without being asked for.",
            next_step="Leave the field out.",
        )
    if name in _ATTRIBUTES or name.startswith("model_"):
        raise RefusedError(
            f"A field cannot be called {name!r}: SQLAlchemy or Pydantic has an attribute of that "
            "name.",
            next_step="Choose another name, such as the word with an adjective before it.",
        )


def plural_of(name: str) -> str:
    """Return the plural of a name, by the rules for the common endings."""
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search(r"(s|x|z|ch|sh)$", name) else f"{name}s"


def camel(name: str) -> str:
    """Return a name as that of a class."""
    return "".join(part.capitalize() for part in name.split("_"))


def snake(name: str) -> str:
    """Return the name of a class as that of a variable."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def words(name: str) -> str:
    """Return a name as words."""
    return name.replace("_", " ")


def with_article(text: str) -> str:
    """Return words with their indefinite article."""
    vowel = re.match(
        r"(?!eu|one\b|once|uni|us[aeu]|ut[ei]|ur[aeiou])[aeiou]|heir|honest|hour", text
    )
    return f"{'an' if vowel else 'a'} {text}"
