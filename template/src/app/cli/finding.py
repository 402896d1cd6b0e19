"""A line of `app doctor`."""

from typing import NamedTuple

from app.cli.output import sentences
from app.core.exceptions import AppException


class Finding(NamedTuple):
    """One line: how it is, what was looked at, what was found, and what to do about it."""

    verdict: str
    subject: str
    message: str
    next_step: str | None = None


def failure(subject: str, error: AppException) -> Finding:
    """An error as a line."""
    message, next_step = sentences(error)
    return Finding("failed", subject, message, next_step)
