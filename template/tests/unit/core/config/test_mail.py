"""Settings of mail: what production wants before links reach people."""

from pathlib import Path

import pytest

from app.core.config import load_settings
from tests.environments import problems, production


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"MAIL_BACKEND": "files"}, {"MAIL_BACKEND"}),
        ({"MAIL_SENDER": "", "FRONTEND_URL": ""}, {"MAIL_SENDER", "FRONTEND_URL"}),
        ({"MAIL_HOST": "mail.example.org", "MAIL_TLS": "none"}, {"MAIL_TLS"}),
        ({"MAIL_SENDER": "no address"}, {"MAIL_SENDER"}),
        ({"MAIL_SENDER": "Shop <shop@example.org>\nBcc: all@example.org"}, {"MAIL_SENDER"}),
        ({"FRONTEND_URL": "https://www.example.org/"}, {"FRONTEND_URL"}),
        ({"FRONTEND_URL": "javascript:alert(1)"}, {"FRONTEND_URL"}),
    ],
)
def test_production_refuses_mail_that_would_not_arrive(
    variables: dict[str, str], refused: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **variables)

    assert problems().keys() == refused


def test_mail_is_off_in_production_unless_set_and_the_doctor_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, MAIL_BACKEND="", MAIL_SENDER="", FRONTEND_URL="")
    settings = load_settings()

    assert settings.mail.backend == "off"
    assert [remark.variable for remark in settings.remarks()] == ["MAIL_BACKEND"]


def test_mail_is_sent_without_encryption_on_this_machine(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, MAIL_HOST="127.0.0.1", MAIL_TLS="none", MAIL_SENDER="Shop <shop@example.org>")

    assert load_settings().mail.sender == "Shop <shop@example.org>"
