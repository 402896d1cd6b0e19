"""Fixtures of several tests of the API."""

from collections.abc import Iterator

import pytest

from tests.logs import Log, captured_log


@pytest.fixture
def log() -> Iterator[Log]:
    """Yield the log of a test."""
    with captured_log() as log:
        yield log
