"""The statements that requests send to the database, by way of the log."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.logs import captured_log

_COUNTED = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "COPY"})


@contextmanager
def at_most(number: int) -> Iterator[None]:
    """Fail when the requests in the block take more statements than it says; BEGIN, COMMIT and savepoints are none."""
    with captured_log(level="DEBUG") as log:
        yield
    lines = [line for line in log.events("query") if "request_id" in line]
    sent = [line["statement"] for line in lines if line["statement"].split()[0] in _COUNTED]
    if len(sent) > number:
        pytest.fail("\n".join([f"{len(sent)} statements, where at most {number} were to be", *sent]))
