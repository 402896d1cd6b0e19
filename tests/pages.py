"""Sessions on the pages of `docs`: the commands, and what the page says that they show."""

from __future__ import annotations

import re


def session(page: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a page's session, each with the lines shown below it."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    shown: list[tuple[str, list[str]]] = []
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            shown.append((line[2:], []))
        else:
            shown[-1][1].append(line)
    return shown


def must_show(output: str, expected: list[str], command: str) -> None:
    """Look for the lines in their order; `…` stands for any others, and for the rest of a line."""
    found = iter(output.splitlines())
    for line in expected:
        if line == "…":
            continue
        start, dots, _ = line.partition(" …")
        assert any(each.startswith(start) if dots else each == line for each in found), (
            f"`{command}` does not show {line!r} where the page does:\n{output}"
        )
