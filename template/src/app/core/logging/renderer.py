"""structlog, imported without the library it would draw tracebacks with.

structlog imports rich wherever rich is installed, which it is, for the command line. We do not let it render
tracebacks, and the import takes a tenth of the whole application's start.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """Let imports inside find that a module is not installed, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    # What the import system takes for "not there" (Python reference, 5.3.1).
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


with _absent("rich"):
    import structlog

__all__ = ["structlog"]
