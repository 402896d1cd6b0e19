"""The paths of secrets: one spelling for each place, one place for each spelling."""

from typing import Any
from uuid import UUID

import pytest

from app.core.exceptions import ValidationError
from app.core.secrets.paths import api_key_path, owner_prefix

HOSTILE = [
    "",
    ".",
    "..",
    "...",
    "a/b",
    "../globex",
    "acme/teams/red",
    "a\\b",
    "a b",
    " acme",
    "acme\n",
    "ac\x00me",
    "ac\x7fme",
    "%2e%2e",
    "a%",
    "-a",
    "_a",
    "аcme",  # noqa: RUF001 — begins with a Cyrillic letter
    "\uff41cme",
    "acme\u200b",
    "acmé",
    "acme٣",  # a digit, though not one of ours
    "x" * 65,
]


def test_paths_are_those_of_the_documentation() -> None:
    assert api_key_path("acme", "openai") == "/organizations/acme/openai_api_key"
    assert api_key_path("acme", "openai", "red") == "/organizations/acme/teams/red/openai_api_key"
    key = UUID("018F6B6A-0000-7000-8000-00000000000A")
    assert api_key_path(key, "x") == "/organizations/018f6b6a-0000-7000-8000-00000000000a/x_api_key"
    assert owner_prefix("acme", "red") == "/organizations/acme/teams/red/"


@pytest.mark.parametrize("part", HOSTILE)
def test_a_malformed_part_is_refused_wherever_it_stands(part: str) -> None:
    cases: list[tuple[str, tuple[Any, ...]]] = [
        ("org_id", (part, "openai")),
        ("provider", ("acme", part)),
        ("team_id", ("acme", "openai", part)),
    ]
    for field, arguments in cases:
        with pytest.raises(ValidationError) as caught:
            api_key_path(*arguments)
        assert caught.value.field == field
        assert len(part) < 3 or part not in caught.value.message


def test_no_two_places_share_a_path() -> None:
    parts = ["teams", "a", "b", "a_api_key", "teams_api_key", "a.b", "a-b"]
    paths = [api_key_path(org, provider, team) for org in parts for provider in parts for team in (None, *parts)]
    assert len(set(paths)) == len(paths)
