"""The application has no import cycle, and no public definition that nothing calls."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.combinations import FULL
from tests.projects import Run

# Prints each group of modules that import one another.
CYCLES = """
import graphlib
import grimp
graph = grimp.build_graph("app")
order = graphlib.TopologicalSorter(
    {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
)
try:
    order.prepare()
except graphlib.CycleError as error:
    print(*error.args[1], sep=" -> ")
"""

# The doors of SPEC §3 for the project's own code.
FOR_USERS = {
    "MonitoringException",
    "cache_clear",
    "cached",
    "check_database_health",
    "cleanup_expired",
    "get_api_key",
    "get_chunk_statistics",
    "get_connection_info",
    "get_public_client",
    "make_key",
    "parse_json",
    "request_cached",
    "unsubscribe",
}
# A decorator other than these hands the definition to a framework, which calls it.
PLAIN_DECORATORS = {
    "abstractmethod",
    "asynccontextmanager",
    "cache",
    "cached_property",
    "classmethod",
    "contextmanager",
    "dataclass",
    "final",
    "lru_cache",
    "overload",
    "property",
    "staticmethod",
}
# Classes of these have no method that a framework calls by its name.
PLAIN_BASES = {"ABC", "Generic", "NamedTuple", "Protocol", "StrEnum"}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def name_of(node: ast.expr) -> str:
    """Return the last name of `a.b`, `a.b[c]` and `a.b(c)`."""
    match node:
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return name_of(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def definitions(tree: ast.Module, ours: set[str]) -> Iterator[Definition]:
    """Yield the public functions and classes of a module, and the methods of its plain classes."""
    for node in tree.body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        if {name_of(each) for each in node.decorator_list} <= PLAIN_DECORATORS:
            yield node
        bases = {name_of(each) for each in getattr(node, "bases", [])}
        if isinstance(node, ast.ClassDef) and bases <= PLAIN_BASES | ours:
            yield from definitions(ast.Module(node.body, []), ours)


def uses(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module uses; an import alone is no use."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name):
                yield name
            case ast.Constant(str(text)) if ":" in text and " " not in text:
                yield text.rpartition(":")[2]  # "app.asgi:create_app"
            # An annotation in quotes.
            case ast.Constant(str(text)) if re.fullmatch(r"[A-Z]\w+", text):
                yield text


def uncalled(source: Path, *callers: Path) -> set[str]:
    """Return the definitions below a folder whose names are used neither there nor by callers."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))
    }
    ours = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and {name_of(each) for each in node.bases} <= PLAIN_BASES
    }
    outside = [ast.parse(path.read_text()) for each in callers for path in each.rglob("*.py")]
    used = Counter(name for tree in (*trees.values(), *outside) for name in uses(tree))
    found = set()
    for path, tree in trees.items():
        for node in definitions(tree, ours):
            # What a definition says of itself, as a recursion or an alternative constructor does.
            itself = Counter(uses(ast.Module([node], [])))[node.name]
            if used[node.name] <= itself:
                found.add(f"{path.relative_to(source)}: {node.name}")
    return found


def test_no_module_imports_itself_by_way_of_others(run: Run) -> None:
    finished = run.project(FULL).tool("python", "-c", CYCLES)
    finished.must_succeed()
    assert finished.output == ""


def test_each_public_definition_is_called(run: Run) -> None:
    project = run.rendered(FULL)
    found = uncalled(project / "src" / "app", project / "migrations", project / "devtools")
    assert {each for each in found if each.partition(": ")[2] not in FOR_USERS} == set()
    assert {name for name in FOR_USERS if not any(each.endswith(name) for each in found)} == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def lonely(): ...", {"lonely"}),
        ("def lonely(): lonely()", {"lonely"}),
        ("from app.a import lonely\ndef lonely(): ...", {"lonely"}),
        ("class A:\n    def lonely(self): ...\nA()", {"lonely"}),
        ("@router.get('')\ndef route(): ...", set()),
        ("def called(): ...\nX = called()", set()),
        ("class Settings(BaseSettings):\n    @property\n    def own(self): ...\nSettings()", set()),
    ],
)
def test_a_definition_without_a_caller_is_found(
    tmp_path: Path, source: str, found: set[str]
) -> None:
    (tmp_path / "a.py").write_text(source)
    assert {each.partition(": ")[2] for each in uncalled(tmp_path)} == found
