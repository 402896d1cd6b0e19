"""Environments of a process, and the problems of wrong ones."""

import pytest

from app.core.config.loading import load_settings
from app.core.exceptions import ConfigurationError
from app.core.redaction import redact_text

DATABASE_URL = "postgresql://app:Xq7planted@db.example.org/app?sslmode=verify-full"


def production(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set what production needs, and these variables."""
    mail = {"MAIL_BACKEND": "smtp", "MAIL_SENDER": "shop@example.org", "FRONTEND_URL": "https://www.example.org"}
    needed = {"ENVIRONMENT": "production", "DATABASE_URL": DATABASE_URL, **mail}
    for name, value in {**needed, **variables}.items():
        monkeypatch.setenv(name, value)


def problems() -> dict[str, str]:
    """Return the problems that `load_settings` reports: rules by variable."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return problems_in(caught.value)


def problems_in(error: ConfigurationError) -> dict[str, str]:
    """Return the problems that an error of the settings tells: rules by variable. The redactor leaves them alone."""
    head, *lines = error.message.splitlines()
    assert head == "Wrong settings:"
    assert error.next_step
    assert redact_text(error.message) == error.message, "the redactor damages it"
    found = dict(line.removeprefix("  ").split(" ", 1) for line in lines)
    assert error.details == {"variables": [line.removeprefix("  ").split(" ", 1)[0] for line in lines]}
    return found
