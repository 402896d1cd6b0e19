"""The example of an environment names what there is, and passes as it is."""

from pathlib import Path

from app.core.config import ApplicationSettings
from app.core.config.loading import known_variables, load_settings
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


def test_env_example_names_every_setting_with_its_default() -> None:
    shown = assignments((PROJECT / ".env.example").read_text())

    differing = shown.keys() ^ known_variables()
    assert not differing, f"document it at the end of .env.example: {sorted(differing)}"
    for section in ApplicationSettings.sections().values():
        for name, variable in section.variables().items():
            default = section.model_fields[name].default
            if isinstance(default, str | int | float | bool):
                assert shown[variable] == (str(default).lower() if isinstance(default, bool) else str(default))


def test_env_example_copied_as_it_is_asks_for_a_key_alone(project: Path) -> None:
    (project / ".env").write_text((PROJECT / ".env.example").read_text())

    assert load_settings().auth.secret_key.get_secret_value() == KEY
