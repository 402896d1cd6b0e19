"""`api_key_path`: one spelling for each place, one place for each spelling."""

from typing import Any
from uuid import UUID

import pytest

from app.core.exceptions import ValidationError
from app.core.secrets.store import api_key_path

# Neither slashes nor look-alikes nor what some program takes for another place.
HOSTILE = ["", "..", "a/b", "acme/teams/red", "a b", "acme\n", "ac\x00me", "%2e%2e", "-a", "аcme", "acme٣", "x" * 65]  # noqa: RUF001


def test_api_key_path_is_as_documented_and_no_two_places_share_one() -> None:
    assert api_key_path("acme", "openai") == "/organizations/acme/openai_api_key"
    assert api_key_path("acme", "openai", "red") == "/organizations/acme/teams/red/openai_api_key"
    key = UUID("018F6B6A-0000-7000-8000-00000000000A")
    assert api_key_path(key, "x") == "/organizations/018f6b6a-0000-7000-8000-00000000000a/x_api_key"
    parts = ["teams", "a", "a_api_key", "teams_api_key", "a.b"]
    made = [api_key_path(org, provider, team) for org in parts for provider in parts for team in (None, *parts)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("part", HOSTILE)
def test_api_key_path_refuses_a_malformed_part_wherever_it_stands(part: str) -> None:
    cases: dict[str, tuple[Any, ...]] = {
        "org_id": (part, "openai"),
        "provider": ("acme", part),
        "team_id": ("acme", "openai", part),
    }
    for field, arguments in cases.items():
        with pytest.raises(ValidationError) as caught:
            api_key_path(*arguments)
        assert caught.value.field == field
