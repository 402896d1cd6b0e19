"""The settings of Stripe, and the ones that production refuses."""

from pathlib import Path

import pytest

from app.core.config.loading import load_settings
from app.core.config.stripe import StripeSettings
from tests.environments import problems, production

LIVE = {
    "STRIPE_ENABLED": "true",
    "STRIPE_SECRET_KEY": "sk_live_Xq7planted",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
    "STRIPE_RETURN_URL": "https://www.example.com",
}


def test_it_is_off_until_it_is_switched_on(project: Path) -> None:
    settings = load_settings().stripe

    assert not settings.enabled
    assert not settings.has_test_key


@pytest.mark.parametrize(
    ("key", "test"),
    [
        ("sk_test_51Abc", True),
        ("rk_test_51Abc", True),
        ("sk_org_test_51Abc", True),
        ("sk_live_test_51", False),
        ("rk_live_51Abc", False),
        ("sk_org_live_51Abc", False),
    ],
)
def test_test_keys_are_told_from_others(key: str, test: bool) -> None:  # noqa: FBT001 — a parameter of the test
    assert StripeSettings(secret_key=key).has_test_key is test


@pytest.mark.parametrize("missing", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_enabled_it_needs_its_keys(missing: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LIVE.items():
        monkeypatch.setenv(name, "" if name == missing else value)

    assert problems() == {missing: "must be set where STRIPE_ENABLED is true"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STRIPE_SECRET_KEY", "pk_live_Xq7planted"),
        ("STRIPE_SECRET_KEY", "sk_live_Xq7 planted"),
        ("STRIPE_SECRET_KEY", "whsec_Xq7planted"),
        ("STRIPE_WEBHOOK_SECRET", "sk_live_Xq7planted"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,Xq7planted"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,"),
        ("STRIPE_ACCOUNTS", "acct_1,Xq7planted"),
        ("STRIPE_RETURN_URL", "www.example.com/Xq7planted"),
        ("STRIPE_RETURN_URL", "javascript:Xq7planted"),
        ("STRIPE_RETURN_URL", "https://[Xq7planted"),
        ("STRIPE_RETURN_URL", "https://www.example.com/#Xq7planted"),
        ("STRIPE_API_BASE", "ftp://Xq7planted"),
        ("STRIPE_TIMEOUT_SECONDS", "0"),
        ("STRIPE_TIMEOUT_SECONDS", "81"),
        ("STRIPE_ATTEMPTS", "0"),
        ("STRIPE_WEBHOOK_TOLERANCE_SECONDS", "0"),
    ],
)
def test_what_cannot_be_right_is_refused_without_being_shown(
    variable: str, value: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    found = problems()

    assert found.keys() == {variable}
    assert "planted" not in str(found)


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"STRIPE_SECRET_KEY": "sk_test_51Abc"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_SECRET_KEY": "rk_test_51Abc"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_SECRET_KEY": "sk_org_test_51Abc"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_RETURN_URL": "http://www.example.com"}, "STRIPE_RETURN_URL"),
        ({"STRIPE_RETURN_URL": ""}, "STRIPE_RETURN_URL"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:12111"}, "STRIPE_API_BASE"),
    ],
)
def test_production_takes_no_payment_in_test_mode(
    variables: dict[str, str], refused: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **LIVE | variables)

    assert problems().keys() == {refused}


def test_production_starts_with_stripe_switched_off(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, STRIPE_SECRET_KEY="sk_test_51Abc")

    assert not load_settings().stripe.enabled


def test_production_takes_live_keys(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, **LIVE)

    assert load_settings().stripe.enabled


@pytest.mark.parametrize("stage", ["development", "staging"])
def test_other_stages_take_test_keys_and_no_keys(stage: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, ENVIRONMENT=stage)
    assert not load_settings().stripe.enabled

    production(monkeypatch, ENVIRONMENT=stage, **LIVE | {"STRIPE_SECRET_KEY": "sk_test_1"})
    assert load_settings().stripe.has_test_key
