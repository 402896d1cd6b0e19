"""A plan for a resource: all is checked and made before the first byte is written."""

from __future__ import annotations

import ast
import difflib
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.journal import Journal
from ashlar.project import Project
from ashlar.resource.files import write_files
from ashlar.resource.specification import Resource, specify
from ashlar.resource.tables import read_operations, read_prefixes, read_tables
from ashlar.resource.types import ADDED, USED, add_types
from ashlar.resource.types import PATH as TYPES
from ashlar.resource.wiring import PATH as WIRING
from ashlar.resource.wiring import wire
from ashlar.style import UnformattedError, tidied

# The names that the written code takes from the project, and where it finds them.
_NEEDED = {
    "src/app/core/database/__init__.py": ("ReadSession", "Statement", "WriteSession"),
    TYPES: ("Cursor", "END", "Input", "Page", "PageSize"),
    "src/app/api/dependencies.py": ("CallerWith", "ReadSession", "UnitOfWork"),
    "src/app/api/openapi.py": ("LOCATION", "problems"),
    "tests/documents.py": ("key_at",),
    "tests/clients.py": ("make_client", "problem"),
}
# Types on the wire that the project need not have.
_PYTHONS = frozenset({"UUID", "bool", "float", "int", "str"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The files that a resource consists of.

    Attributes:
        resource: The resource.
        project: Where it is to be.
        new: The new files, by their paths.
        changed: The files that are there, by their paths: each as it is, and as it will be.
    """

    resource: Resource
    project: Project
    new: dict[str, str]
    changed: dict[str, tuple[str, str]]

    @property
    def difference(self) -> str:
        """The changes of files that are there, as `git diff` would show them."""
        lines: list[str] = []
        for path, texts in self.changed.items():
            before, after = (text.splitlines(keepends=True) for text in texts)
            lines += difflib.unified_diff(before, after, f"a/{path}", f"b/{path}")
        return "".join(lines)

    @property
    def migrate(self) -> list[str]:
        """The command that writes the migration."""
        return ["uv", "run", "app", "db", "revision", "-m", f"add {self.resource.many}"]

    @property
    def migrate_typed(self) -> str:
        """The same, as a person types it."""
        *words, message = self.migrate
        return f'{" ".join(words)} "{message}"'


def plan_resource(
    project: Project, name: str, asked: Sequence[str], *, plural: str | None = None
) -> Plan:
    """Return the files that a resource needs; nothing is written.

    Args:
        project: The project.
        name: The name of one of it.
        asked: Its fields, `name:type` each.
        plural: The plural of its name, where the rules do not give it.

    Raises:
        RefusedError: It cannot be written, or would overwrite something.
    """
    folder = project.folder
    _require_settled(project)
    _require_house(folder, _NEEDED)
    resource = specify(name, asked, plural=plural, tables=read_tables(folder))
    types = {each.kind.schema for each in resource.fields} - _PYTHONS
    added = sorted(_missing(folder, TYPES, types & ADDED))
    _require_house(folder, {TYPES: types.difference(added) | (USED if added else frozenset())})
    _require_free(folder, resource)
    files = write_files(resource)
    _require_clear(files)
    _require_committed(project, [TYPES, WIRING] if added else [WIRING])
    with tempfile.TemporaryDirectory(prefix="ashlar-") as scratch:

        def tidy(files: dict[str, bytes], group: str) -> dict[str, bytes]:
            try:
                return tidied(project, files, Path(scratch) / group)
            except UnformattedError as error:
                raise RefusedError(
                    f"The files cannot be brought to the project's style: {error}.",
                    next_step="Run `uv sync` in the project, and try `uv run ruff check`.",
                ) from error

        def tidy_piece(code: str) -> str:
            # Apart from the other files: what nothing uses would be taken out.
            used = f"{code}\n__all__ = {sorted(_imported(code))}\n"
            done = tidy({WIRING: used.encode()}, "piece")[WIRING].decode()
            return done.partition("\n__all__ = ")[0]

        changed = {}
        if added:
            changed[TYPES] = _changed(
                folder / TYPES, lambda text: add_types(text, added, tidy=tidy_piece)
            )
        changed[WIRING] = _changed(
            folder / WIRING,
            lambda text: wire(text, resource.plural, resource.tag, sort=tidy_piece),
        )
        new = tidy(files, "files")
    return Plan(
        resource=resource,
        project=project,
        new={path: content.decode() for path, content in new.items()},
        changed=changed,
    )


def _changed(path: Path, change: Callable[[str], str]) -> tuple[str, str]:
    """Return a file's text as it is, and as it will be, with the same ends of lines."""
    text = _read(path)
    ends = "\r\n" if "\r\n" in text else "\n"
    return text, change(text.replace(ends, "\n")).replace("\n", ends)


def _imported(imports: str) -> list[str]:
    """Return the names that a block of imports brings."""
    nodes = [
        node for node in ast.parse(imports).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return [(each.asname or each.name).partition(".")[0] for node in nodes for each in node.names]


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def _require_settled(project: Project) -> None:
    """Check that no update stands half-way."""
    journal = Journal(project.state, project.top)
    if journal.is_open:
        raise RefusedError(
            f"{journal.plan.title} was interrupted, and stands half-way. Nothing was written.",
            next_step="Run `uv run app update`: it finishes or undoes that.",
        )


def _require_house(folder: Path, needed: Mapping[str, Collection[str]]) -> None:
    """Check that the project has what the written code takes from it: names, by their modules."""
    for path, names in needed.items():
        if missing := _missing(folder, path, names):
            raise RefusedError(
                f"{path} has no {missing[0]}, which the resource would need: this project is on an "
                "earlier version of the template, or has another layout. Nothing was written.",
                next_step="Run `uv run app update`, commit, then run the command again.",
            )


def _missing(folder: Path, path: str, names: Collection[str]) -> list[str]:
    """Return the names that a module does not have."""
    text = _read(folder / path) if (folder / path).is_file() else ""
    return [name for name in names if not re.search(rf"\b{name}\b", text)]


def _require_free(folder: Path, resource: Resource) -> None:
    """Check that nothing is there that the resource would replace or hide."""
    for path in resource.paths.values():
        if (folder / path).exists() or (folder / path.removesuffix(".py")).is_dir():
            raise RefusedError(
                f"{path} is there already. Nothing was written.",
                next_step="Choose another name, or --plural.",
            )
    known = read_operations(folder)
    if taken := [name for name in resource.operations if name in known]:
        raise RefusedError(
            f"There is an operation {taken[0]} already, in {known[taken[0]]}. Nothing was written.",
            next_step="Choose a name that says more.",
        )
    if resource.address in read_prefixes(folder):
        raise RefusedError(
            f"Another router has the address {resource.address}. Nothing was written.",
            next_step="Choose another name, or --plural.",
        )


def _require_clear(files: Mapping[str, bytes]) -> None:
    """Check that no name has two meanings in a module: a Statement of a bank's, and of SQL."""
    for path, source in files.items():
        meanings: dict[str, str] = {}
        for node in ast.parse(source).body:
            for name, meaning in _bound(node):
                if meanings.setdefault(name, meaning) != meaning:
                    raise RefusedError(
                        f"{name} would have two meanings in {path}. Nothing was written.",
                        next_step="Choose a name that says more, of the resource or of the field.",
                    )


def _bound(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield the names that a statement of a module gives a meaning to, and the meaning."""
    match node:
        case ast.ImportFrom(module=module, names=names):
            yield from ((each.name, str(module)) for each in names)
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, str(node.lineno)
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name, str(node.lineno)


def _require_committed(project: Project, paths: Sequence[str]) -> None:
    """Check that a mistake can be taken back: git has the files as they are."""
    for path in paths:
        if project.git.paths("status", "--porcelain", "-z", "--", f"{project.prefix}{path}"):
            raise RefusedError(
                f"{path} has changes that are not committed. Nothing was written.",
                next_step="Commit them, or `git stash` them and `git stash pop` afterwards.",
            )
