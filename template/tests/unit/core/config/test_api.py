"""The address of the HTTP interface: the prefix and the hosts."""

import pytest
from pydantic import ValidationError

from app.core.config import ApiSettings


@pytest.mark.parametrize(
    "value", ["shop", "/shop/", "/", "/a//b", "/a b", "https://example.com/shop", "/api", "/api/v1"]
)
def test_root_path_that_names_no_prefix_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="must"):
        ApiSettings(root_path=value)


@pytest.mark.parametrize("value", ["", "/shop", "/a/b-c_d.e~f", "/apis"])
def test_root_path_is_taken_as_it_is(value: str) -> None:
    assert ApiSettings(root_path=value).root_path == value


@pytest.mark.parametrize("value", ["https://example.com", "example.com:8000", "a.example, *", "*example.com", "a/b"])
def test_allowed_hosts_that_are_no_names_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="must hold host names"):
        ApiSettings.model_validate({"allowed_hosts": value})


def test_allowed_hosts_are_a_list_separated_by_commas() -> None:
    found = ApiSettings.model_validate({"allowed_hosts": "API.example.com, *.example.org ,[::1],"})

    assert found.allowed_hosts == ("api.example.com", "*.example.org", "[::1]")
