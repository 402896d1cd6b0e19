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
    ],
)
def test_require_usable_tells_states_apart(state: dict[str, object], cause: str, next_step: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        USABLE._replace(**state).require_usable()  # type: ignore[arg-type]

    assert cause in caught.value.message
    assert next_step in str(caught.value.next_step)


def test_require_usable_accepts_what_can_be_created() -> None:
    USABLE.require_usable()
    USABLE._replace(created=None).require_usable()
