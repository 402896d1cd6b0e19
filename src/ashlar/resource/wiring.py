"""The lines of a resource in `wiring.py`: below its marks, behind the lines that are there."""

from __future__ import annotations

import re
from collections.abc import Callable

from ashlar.errors import RefusedError

PATH = "src/app/wiring.py"
MARK = "# Yours below this line."
_IMPORTS = re.compile(
    rf"^# isort: split\n{re.escape(MARK)}[^\n]*\n(?P<lines>.*?)(?=^TITLE\b)",
    re.MULTILINE | re.DOTALL,
)


def wire(text: str, plural: str, tag: str, *, sort: Callable[[str], str]) -> str:
    """Return `wiring.py` with a resource in it.

    Args:
        text: The module as it is.
        plural: The name of the modules of its routes.
        tag: Its name in scopes.
        sort: Sorts a block of imports as the project's linter wants it.

    Raises:
        RefusedError: A mark is not there, or the resource is.
    """
    scopes = [f'"{tag}:{right}"' for right in ("read", "write")]
    for name in (*scopes, f"{plural}.router"):
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            raise RefusedError(
                f"{PATH} has {name} already. Nothing was written.",
                next_step="Choose another name, or --plural.",
            )
    text = _appended(text, "ROUTERS", [f"{plural}.router"])
    text = _appended(text, "USER_SCOPES", scopes)
    found = _IMPORTS.search(text)
    if found is None:
        raise _unmarked("TITLE, the imports")
    lines = sort(f"{found['lines'].strip()}\nfrom app.api.routes import {plural}\n".lstrip())
    return f"{text[: found.start('lines')]}{lines.rstrip()}\n\n{text[found.end('lines') :]}"


def _appended(text: str, name: str, items: list[str]) -> str:
    """Return the module with items at the end of a list that has a mark in it."""
    lines = r"(?P<lines>(?:(?:    [^\n]*)?\n)*)"
    found = re.search(rf"^{name}\b[^\n]*[(\[]\n{lines}[)\]]$", text, re.MULTILINE)
    if found is None or MARK not in found["lines"]:
        raise _unmarked(name)
    added = "".join(f"    {item},\n" for item in items)
    return f"{text[: found.end('lines')]}{added}{text[found.end('lines') :]}"


def _unmarked(where: str) -> RefusedError:
    return RefusedError(
        f"{PATH} has no line “{MARK}” at {where}. Nothing was written.",
        next_step=f"Write it back, behind the lines that came with the project and before yours: "
        f"`git log -S'{MARK}' -- {PATH}` shows where it stood.",
    )
