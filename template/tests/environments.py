"""Environments of a process, and what is said about wrong ones."""

import pytest

from app.core.config import ApplicationSettings, load_settings
from app.core.exceptions import ConfigurationError

DATABASE_URL = "postgresql://app:Xq7planted@db.example.org/app"


def examples() -> dict[str, str]:
    """What production cannot do without beyond database and key: the settings that give an example of themselves."""
    return {
        section.variable(name): str(field.examples[0])
        for section in ApplicationSettings.sections().values()
        for name, field in section.model_fields.items()
        if field.examples
    }


def production(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set what production needs, and these variables."""
    needed = {"ENVIRONMENT": "production", "DATABASE_URL": DATABASE_URL, **examples()}
    for name, value in {**needed, **variables}.items():
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
