"""Extension: each state of a server that cannot be used, with the next step."""

import pytest

from app.core.exceptions import ConfigurationError
from app.core.timescale.extension import Extension

USABLE = Extension(available="2.28.3", created="2.28.3", loaded=True)


@pytest.mark.parametrize(
    ("state", "cause", "next_step"),
    [
        ({"available": None, "created": None, "loaded": False}, "has no TimescaleDB", "TIMESCALE_ENABLED=false"),
        ({"created": None, "loaded": False}, "does not load it", "shared_preload_libraries"),
        ({"created": None, "available": "2.17.2"}, "2.17.2 is older than 2.18", "ALTER EXTENSION"),
        # What is in the database counts, not what the server would create.
        ({"created": "2.9.0"}, "2.9.0 is older than 2.18", "ALTER EXTENSION"),
        ({"created": "1.7.5"}, "1.7.5 is older than 2.18", "ALTER EXTENSION"),
    ],
)
def test_require_usable_tells_states_apart(state: dict[str, object], cause: str, next_step: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        USABLE._replace(**state).require_usable()  # type: ignore[arg-type]

    assert cause in caught.value.message
    assert next_step in str(caught.value.next_step)


@pytest.mark.parametrize("version", ["2.18.0", "2.27.0-p0", "2.30.0-dev", "3.0", "10.1"])
def test_require_usable_accepts_versions_that_can_be_used(version: str) -> None:
    USABLE._replace(created=version).require_usable()
    USABLE._replace(created=None, available=version).require_usable()
