"""Rendering a template with Copier, in a process of its own: `python -m ashlar.rendering`.

Two renders run at the same time, as Copier changes the process's working folder.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.git import environment
from ashlar.haste import hasten
from ashlar.template import Template, expand, is_path

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class Order:
    """A render to be made.

    Attributes:
        source: The template, as the answers file has it.
        commit: Which commit of it.
        folder: Where to; an answers file in there has the answers that are kept.
        answers_file: The name of the answers file.
        data: Answers that are new, or all of them.
    """

    source: str
    commit: str
    folder: str
    answers_file: str
    data: Mapping[str, object]


@dataclass(frozen=True)
class Render:
    """A render that was made.

    Attributes:
        folder: Where it is.
        kept: The files, by their paths in there, that are the user's once they exist.
    """

    folder: Path
    kept: frozenset[str]

    @property
    def paths(self) -> set[str]:
        """The files, by their paths in there."""
        found = (path for path in self.folder.rglob("*") if not path.is_dir())
        return {path.relative_to(self.folder).as_posix() for path in found}


def render(template: Template, orders: Sequence[Order], scratch: Path) -> list[Render]:
    """Make renders, all at the same time.

    Args:
        template: The template of them all.
        orders: What to make.
        scratch: Where Copier keeps its copies of the template.

    Raises:
        RefusedError: Copier refused one; the message is Copier's.
    """
    running = []
    try:
        for number, order in enumerate(orders):
            variables = {"COPIER_CACHE_DIR": str(scratch / f"copier-{number}")}
            variables |= instead(template) | {"PYTHONWARNINGS": "ignore"}
            ordered = scratch / f"order-{number}.json"
            ordered.write_text(json.dumps(asdict(order)), encoding="utf-8")
            started = subprocess.Popen(
                [sys.executable, "-P", "-m", "ashlar.rendering", str(ordered)],
                cwd=scratch,
                env=environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.append(started)
        return [_result(*each) for each in zip(orders, running, strict=True)]
    finally:
        for started in running:
            if started.poll() is None:
                started.kill()
            started.wait()


def instead(template: Template) -> dict[str, str]:
    """Return variables that lead git from the template's URL to the copy that is here."""
    settings = {"core.autocrlf": "false"}
    if not is_path(template.source):
        settings[f"url.{template.git.folder}.insteadOf"] = expand(template.source)
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _result(order: Order, started: subprocess.Popen[str]) -> Render:
    printed, said = started.communicate()
    if started.returncode:
        lines = [line for line in _ESCAPES.sub("", said).splitlines() if line.strip()]
        raise refusal(order, lines[-1] if lines else f"it ended with {started.returncode}")
    return Render(Path(order.folder), frozenset(json.loads(printed)))


def refusal(order: Order, said: str) -> RefusedError:
    """Return what Copier said as the error that the user sees."""
    return RefusedError(
        f"Copier cannot render {order.commit[:12]}: {said.rstrip('.')}. Nothing was changed.",
        next_step=f"Correct the answer, in --data or in {order.answers_file}, and commit the file; "
        "for anything else, look at the template.",
    )


def make(order: Order) -> Render:
    """Make a render in this process."""
    import copier

    worker = copier.run_copy(
        order.source,
        order.folder,
        data=dict(order.data),
        answers_file=order.answers_file,
        vcs_ref=order.commit,
        defaults=True,
        overwrite=True,
        quiet=True,
    )
    kept: Callable[[Path], bool] = worker.match_skip
    made = Render(Path(order.folder), frozenset())
    return replace(made, kept=frozenset(path for path in made.paths if kept(Path(path))))


if __name__ == "__main__":
    os.umask(0o022)
    order = Order(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    hasten()
    try:
        made = make(order)
    except Exception as error:
        # A sentence for the user; where the error came from stays above it.
        traceback.print_exc()
        raise SystemExit(str(error).strip().partition("\n")[0] or repr(error)) from error
    sys.stdout.write(json.dumps(sorted(made.kept)))
