"""Environments of a process, and what is said about wrong ones."""

import pytest

from app.core.config import load_settings
from app.core.exceptions import ConfigurationError

DATABASE_URL = "postgresql://app:Xq7planted@db.example.org/app"


def production(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set what production needs, and these variables."""
    for name, value in {"ENVIRONMENT": "production", "DATABASE_URL": DATABASE_URL, **variables}.items():
        monkeypatch.setenv(name, value)


def problems() -> dict[str, str]:
    """What `load_settings` complains about: rules by variable."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    head, *lines = caught.value.message.splitlines()
    assert head in {"1 setting is wrong:", f"{len(lines)} settings are wrong:"}
    assert caught.value.next_step
    found = dict(line.strip().split(": ", 1) for line in lines)
    assert caught.value.details == {"variables": [line.strip().split(": ", 1)[0] for line in lines]}
    return found
