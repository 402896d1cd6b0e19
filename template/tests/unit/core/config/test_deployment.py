"""The environments that deploy/ describes are complete: filled in, they pass, whichever services are switched on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.config import load_settings
from app.core.config.loading import known_variables
from app.core.config.secrets import new_key
from tests.environments import examples
from tests.unit.core.config.conftest import KEY
from tests.unit.core.config.test_env_examples import PROJECT, assignments

SOURCES = ("env/staging.env.example", "env/production.env.example", "kubernetes/kustomization.yaml")


def read(source: str) -> dict[str, str]:
    """Return the variables of a file of deploy/, the ones that Kubernetes keeps in a Secret included."""
    text = (PROJECT / "deploy" / source).read_text(encoding="utf-8")
    if not source.endswith(".yaml"):
        return assignments(text)
    secrets, _, literals = text.rpartition("    literals:\n")
    lines = [line for line in secrets.splitlines() if line.endswith("=")]
    return assignments("\n".join([*lines, *(line.removeprefix("      - ") for line in literals.splitlines())]))


def filled_in(source: str) -> dict[str, str]:
    """Return them with something behind each that is empty."""
    values = {
        "DATABASE_URL": "postgres://u:p@db.example.com/app?sslmode=verify-full",
        "SECRET_KEY": KEY,
        "SECRETS_KEYS": new_key().get_secret_value(),
        **examples(),
    }
    return {name: value or values.get(name, "") for name, value in read(source).items()}


def switched(values: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield them with no service on, with each, and with all of them."""
    switches = [name for name in values if name.endswith("_ENABLED") and name != "API_DOCS_ENABLED"]
    for on in ([], *([name] for name in switches), switches):
        yield values | {name: "true" if name in on else "false" for name in switches}


@pytest.mark.parametrize("source", SOURCES)
def test_a_deployed_environment_passes_with_every_choice_of_services(
    source: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for environment in switched(filled_in(source)):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings = load_settings()
        assert settings.logging.format == "json"
        assert settings.api.host == "0.0.0.0"  # noqa: S104 — inside a container
        assert settings.auth.sign_up == "closed"


@pytest.mark.parametrize("source", SOURCES)
def test_a_deployed_environment_has_a_switch_for_every_service(source: str) -> None:
    named = read(source).keys()

    assert {name for name in known_variables() if name.endswith("_ENABLED")} - {"API_DOCS_ENABLED"} <= named
    assert named <= known_variables()
