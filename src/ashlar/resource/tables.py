"""The tables of a project and the addresses of its resources; its modules are not imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.resource.names import snake, with_article, words

_MODELS = "src/app/models/domain"
_ROUTES = "src/app/api/routes"
USERS = "users"
# The answer has the caller's key.
_ME = "/api/v1/users/me"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the project.

    Attributes:
        name: Its name in the database.
        model: The name of its class.
        module: The module of that, by its dotted name.
        has_key: True if it has a key of the house's, `id`.
        owner: The column with the user that a row belongs to, if there is one.
        address: The address at which there are keys of it, if there is one.
    """

    name: str
    model: str
    module: str
    has_key: bool = True
    owner: str = ""
    address: str = ""

    @property
    def variable(self) -> str:
        """The name of a row."""
        return snake(self.model)

    @property
    def is_guarded(self) -> bool:
        """True if rows belong to users, who can make some by the API."""
        return bool(self.owner and self.address)

    @property
    def article(self) -> str:
        """The name of a row as words, with an article."""
        return with_article(self.words)

    @property
    def words(self) -> str:
        """The name of a row as words."""
        return words(self.variable)


def address_of(table: str) -> str:
    """Return the address that the resource of a table has by the house's rule."""
    return f"/api/v1/{table.replace('_', '-')}"


def read_tables(project: Path) -> dict[str, Table]:
    """Return the tables of a project by their names, those of the core included.

    Raises:
        RefusedError: A module cannot be parsed.
    """
    addresses = read_addresses(project)
    found = {}
    for path in sorted((project / "src/app").rglob("*.py")):
        if "__tablename__" not in path.read_text(encoding="utf-8"):
            continue
        for node in ast.walk(_parse(project, path)):
            if isinstance(node, ast.ClassDef) and (name := _constant(node, "__tablename__")):
                parts = path.relative_to(project / "src").with_suffix("").parts
                inside = path.is_relative_to(project / _MODELS)
                address = _ME if name == USERS else address_of(name)
                found[name] = Table(
                    name=name,
                    model=node.name,
                    module=".".join(parts),
                    has_key=inside and any(ast.unparse(base) == "UuidKey" for base in node.bases),
                    owner=_owner(node),
                    address=address if name == USERS or address in addresses else "",
                )
    return found


def read_addresses(project: Path) -> set[str]:
    """Return the addresses of the collections that something can be posted to.

    Raises:
        RefusedError: A module cannot be parsed.
    """
    return set(_addresses(project, posted=True))


def read_prefixes(project: Path) -> set[str]:
    """Return the addresses of all routers; RefusedError where a module cannot be parsed."""
    return set(_addresses(project, posted=False))


def read_operations(project: Path) -> dict[str, str]:
    """Return the names of operations, with the module of each.

    Raises:
        RefusedError: A module cannot be parsed.
    """
    return {
        node.name: path.relative_to(project).as_posix()
        for path in sorted((project / _ROUTES).glob("*.py"))
        for node in _parse(project, path).body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.decorator_list
    }


def _addresses(project: Path, *, posted: bool) -> Iterator[str]:
    for path in sorted((project / _ROUTES).glob("*.py")):
        tree = _parse(project, path)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        made = [call for call in calls if ast.unparse(call.func) == "APIRouter"]
        routes = [call for call in calls if ast.unparse(call.func) == "router.post" and call.args]
        if posted and not any(ast.literal_eval(route.args[0]) == "" for route in routes):
            continue
        for call in made:
            for each in call.keywords:
                if each.arg == "prefix" and isinstance(each.value, ast.Constant):
                    yield str(each.value.value)


def _parse(project: Path, path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        shown = path.relative_to(project)
        raise RefusedError(
            f"{shown} cannot be parsed: {error.msg} in line {error.lineno}. Nothing was written.",
            next_step="Correct it, then run the command again.",
        ) from error


def _constant(node: ast.ClassDef, name: str) -> str:
    for each in node.body:
        match each:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(str(value))) if (
                target == name
            ):
                return value
    return ""


def _owner(node: ast.ClassDef) -> str:
    """Return the column of the user that a row belongs to: `owner_id`, or `user_id`."""
    columns = [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and f"'{USERS}.id'" in ast.unparse(each)
    ]
    return next((name for name in ("owner_id", "user_id") if name in columns), "")
