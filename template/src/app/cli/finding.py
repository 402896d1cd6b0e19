"""A line of `app doctor`."""

from typing import NamedTuple

from app.cli.failures import explain


class Finding(NamedTuple):
    """One line: the verdict, the subject, what was found, and what to do about it."""

    verdict: str
    subject: str
    message: str
    next_step: str | None = None


def failure(subject: str, error: Exception) -> Finding:
    """Return an error as a line, whatever it is."""
    if found := explain(error):
        return Finding("failed", subject, *found)
    # Here and not above: what cannot be imported has been explained already.
    from app.core.redaction import redact_text  # noqa: PLC0415

    message = redact_text(f"does not work ({type(error).__name__}: {error})")
    return Finding("failed", subject, message, "Look for the cause in the service's log, or report it.")
