"""The types on the wire that a project gets with the first field that needs one."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Final

from ashlar.resource.files import read_template

PATH = "src/app/models/schemas/types.py"
# Each has a template: its imports, an empty line, its definition.
ADDED: Final = frozenset({"Day", "Exact"})
# The names of the module that these definitions use.
USED: Final = frozenset({"Annotated", "Final", "WithJsonSchema", "_written", "core_schema"})


def add_types(text: str, names: Iterable[str], *, tidy: Callable[[str], str]) -> str:
    """Return `types.py` with more types at its end, and what they import among its imports.

    Args:
        text: The module as it is.
        names: The types, which are not there.
        tidy: Brings a piece of code to the project's style.
    """
    for name in names:
        added, _, definition = read_template(f"types/{name}").partition("\n\n")
        imports = [
            node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        lines = text.splitlines(keepends=True)
        start, end = imports[0].lineno - 1, imports[-1].end_lineno
        block = tidy(f"{''.join(lines[start:end])}{added}\n").rstrip()
        rest = "".join(lines[end:]).rstrip()
        text = f"{''.join(lines[:start])}{block}\n{rest}\n{tidy(definition).strip()}\n"
    return text
