"""The environments of deploy/ name what there is, and pass once they are filled in, with every choice of services."""

from pathlib import Path

import pytest

from app.core.config import ApplicationSettings
from app.core.config.loading import known_variables, load_settings
from app.core.config.secrets import new_key
from tests.environments import problems
from tests.unit.core.config.conftest import KEY
from tests.unit.core.config.test_env_file import PROJECT, assignments

DEPLOYED = ("env/staging.env.example", "env/production.env.example", "kubernetes/kustomization.yaml")


def examples() -> dict[str, str]:
    """Return values for the settings that a chosen service needs: those that give an example of themselves."""
    return {
        variable: str(examples[0])
        for section in ApplicationSettings.sections().values()
        for name, variable in section.variables().items()
        if (examples := section.model_fields[name].examples)
    }


def deployed(source: str) -> dict[str, str]:
    """Return the variables of a file of deploy/, the ones that Kubernetes keeps in a Secret included."""
    text = (PROJECT / "deploy" / source).read_text(encoding="utf-8")
    if not source.endswith(".yaml"):
        return assignments(text)
    secrets, _, literals = text.rpartition("    literals:\n")
    lines = [line for line in secrets.splitlines() if line.endswith("=")]
    return assignments("\n".join([*lines, *(line.removeprefix("      - ") for line in literals.splitlines())]))


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_the_example_of_a_stage_needs_what_is_empty_alone(
    stage: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PROJECT / "deploy" / "env" / f"{stage}.env.example").read_text()
    (project / f".env.{stage}").write_text(text)
    monkeypatch.setenv("ENVIRONMENT", stage)
    monkeypatch.delenv("SECRET_KEY")

    found = problems()

    assert {"SECRET_KEY", "DATABASE_URL"} <= found.keys()
    assert found.keys() <= {name for name, value in assignments(text).items() if not value}


@pytest.mark.parametrize("source", DEPLOYED)
def test_a_deployed_environment_passes_with_every_choice_of_services(
    source: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled_in = {
        "DATABASE_URL": "postgres://u:p@db.example.com/app?sslmode=verify-full",
        "SECRET_KEY": KEY,
        "SECRETS_KEYS": new_key().get_secret_value(),
        **examples(),
    }
    values = deployed(source)
    switches = {name for name in known_variables() if name.endswith("_ENABLED")} - {"API_DOCS_ENABLED"}
    assert switches <= values.keys() <= known_variables()
    for on in (set(), *({name} for name in switches), switches):
        for name, value in values.items():
            monkeypatch.setenv(name, str(name in on) if name in switches else value or filled_in.get(name, ""))
        settings = load_settings()
        assert (settings.logging.format, settings.auth.sign_up) == ("json", "closed")
        assert settings.api.host == "0.0.0.0"  # noqa: S104 — inside a container
