"""The examples of environments name what there is."""

from pathlib import Path

import pytest

from app.core.config import ApplicationSettings, load_settings
from app.core.config.loading import known_variables
from tests.environments import problems
from tests.unit.core.config.conftest import KEY

PROJECT = Path(__file__).parents[4]


def assignments(text: str) -> dict[str, str]:
    """Return what a file of settings sets, or would set without the `#` in front."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and name.replace("_", "").isupper():
            assert name not in found
            found[name] = value
    return found


def test_the_example_names_every_setting_and_no_other() -> None:
    assert assignments((PROJECT / ".env.example").read_text()).keys() == known_variables()


def test_the_example_shows_the_defaults() -> None:
    shown = assignments((PROJECT / ".env.example").read_text())

    for section in ApplicationSettings.sections().values():
        for name, field in section.model_fields.items():
            variable = section.variable(name)
            if isinstance(field.default, str | int | float | bool):
                expected = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
                assert shown[variable] == expected, variable


def test_the_example_copied_as_it_is_asks_for_a_key_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text((PROJECT / ".env.example").read_text())

    assert load_settings().auth.secret_key.get_secret_value() == KEY


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_the_examples_of_the_stages_need_what_is_empty_alone(
    stage: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PROJECT / "deploy" / "env" / f"{stage}.env.example").read_text()
    (project / f".env.{stage}").write_text(text)
    monkeypatch.setenv("ENVIRONMENT", stage)
    monkeypatch.delenv("SECRET_KEY")

    found = problems()

    assert {"SECRET_KEY", "DATABASE_URL"} <= found.keys()
    assert found.keys() <= {name for name, value in assignments(text).items() if not value}
