"""The rules a `.jinja` file keeps, so that a reader still sees the rendered file in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import Environment, meta, nodes

# Options stand in this order wherever several of them follow each other.
ORDER = ("use_redis", "use_sentry", "use_stripe", "use_timescaledb", "include_example")

# It parses and renders nothing, so escaping has no part in it.
_JINJA = Environment(  # noqa: S701
    extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
)
_ADJACENT_BLOCKS = re.compile(
    r"((?:[ \t]*\{% if [^%]+%\}\n.*?\{% endif %\}\n)+)(?=([^\n]*))", re.DOTALL
)
_UNWANTED = (nodes.For, nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Include, nodes.CondExpr)


def variables(source: str) -> set[str]:
    """Return the names of the answers that `source` uses."""
    return meta.find_undeclared_variables(_JINJA.parse(source))


def problems(source: str, *, merged: bool = True) -> Iterator[str]:
    """Yield one sentence for each rule that `source` breaks.

    Args:
        source: The text of a `.jinja` file.
        merged: Whether updates merge it with the user's edits, so that lines must keep apart.
    """
    parsed = _JINJA.parse(source)
    for condition in parsed.find_all(nodes.If):
        if condition.else_ or condition.elif_:
            yield f"line {condition.lineno}: an else or elif; write a second condition"
        if any(part.find(nodes.If) or isinstance(part, nodes.If) for part in condition.body):
            yield f"line {condition.lineno}: a condition within a condition"
    for node in parsed.find_all(_UNWANTED):
        yield f"line {node.lineno}: {type(node).__name__} belongs in copier.yml"
    if "{#" in source or "{% raw" in source:
        yield "a Jinja comment or raw block"
    for number, line in enumerate(source.splitlines(), 1):
        if "{%" in line and not re.fullmatch(r"\s*\{% (if [^%]+|endif) %\}", line):
            yield f"line {number}: a conditional stands on a line of its own"
    for blocks, following in _ADJACENT_BLOCKS.findall(source):
        options = [name for name in re.findall(r"\{% if (?:not )?(\w+)", blocks) if name in ORDER]
        if options != sorted(options, key=ORDER.index):
            yield f"{', '.join(options)}: the order is {', '.join(ORDER)}"
        # A user's line beside a conditional one conflicts on update; beside a constant it merges.
        # They add theirs at the end of a list, of a paragraph or of the file.
        if merged and options and following.strip()[:1] in {"", ")", "]", "}"}:
            yield f"{options[-1]}: no constant line follows"
