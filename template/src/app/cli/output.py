"""What commands say: results on standard output, everything else on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from app.core.database.errors import explain
from app.core.exceptions import AppException, ConfigurationError, DatabaseConnectionError
from app.core.redaction import redact_text

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def failed(error: AppException) -> int:
    """Say what is wrong and what to do about it.

    Returns:
        The exit code.
    """
    message, next_step = sentences(error)
    err.print(Text.assemble(("error: ", "bold red"), redact_text(message)))
    if next_step:
        err.print(Text.assemble(("next: ", "bold"), redact_text(next_step)))
    return 1


def sentences(error: AppException) -> tuple[str, str | None]:
    """The cause and the next step."""
    if isinstance(error, ConfigurationError):
        return error.message, error.next_step
    if isinstance(error, DatabaseConnectionError):
        return explain(error)
    return error.message, None


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something is under way, where somebody is watching."""
    with err.status(what):
        yield
