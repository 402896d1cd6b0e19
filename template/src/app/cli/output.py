"""The output of commands: results on standard output, everything else on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something is under way, where a person is watching."""
    with err.status(what):
        yield
