"""What several tests of the API listen to."""

from collections.abc import Iterator

import pytest

from tests.logs import Log, captured_log


@pytest.fixture
def log() -> Iterator[Log]:
    """What is logged from here on."""
    with captured_log() as log:
        yield log
