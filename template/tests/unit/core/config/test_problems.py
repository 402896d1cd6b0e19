"""The problems of all settings: each has the variable and the rule, never the value, and all come at once."""

import re
from pathlib import Path

import pytest

from app.core.config import ApplicationSettings, load_settings
from app.core.config.section import SettingsSection
from app.core.exceptions import ConfigurationError
from tests.environments import problems, problems_in, production

PLANTED = "\tXq7planted ${x} #"
# A wrong type, and numbers out of every range.
WRONG = (PLANTED, "-7e300", "7e300")
# A rule is a verb and what follows, so that a variable and its rule make a sentence.
RULE = re.compile(r"(must|should|does|is|has|cannot)\b.")


def found_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    """Return the problems of an environment; none where it is accepted."""
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        try:
            load_settings()
        except ConfigurationError as error:
            return problems_in(error)
        return {}


def texts(section: type[SettingsSection]) -> set[str]:
    """Return the variables that may hold any text."""
    return {
        section.variable(name)
        for name, field in section.model_fields.items()
        if "str" in str(field.annotation) or "Secret" in str(field.annotation)
    }


@pytest.mark.parametrize("name", list(ApplicationSettings.sections()))
def test_every_setting_that_is_wrong_is_named_with_its_rule(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = ApplicationSettings.sections()[name]
    refused: set[str] = set()
    for value in ("", *WRONG):
        found = found_with(monkeypatch, **dict.fromkeys(section.variables(), value))
        assert all(RULE.match(rule) for rule in found.values()), found
        assert "planted" not in str(found)
        refused |= found.keys()
    # What is missing is named where it is needed, and nothing else is.
    assert refused <= set(section.variables())
    assert set(section.variables()) - refused <= texts(section)


def test_all_problems_come_in_one_round(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone: dict[str, str] = {}
    variables = [name for section in ApplicationSettings.sections().values() for name in section.variables()]
    for variable in variables:
        alone |= {name: PLANTED for name in found_with(monkeypatch, **{variable: PLANTED}) if name == variable}

    assert found_with(monkeypatch, **alone).keys() == alone.keys()


# A value that cannot be read, settings that break rules of its section and of others, and the variables named.
BESIDE_A_BROKEN_VALUE = [
    ("ARGON2_CONCURRENCY", {"SECRET_KEY": "example" * 8}, {"SECRET_KEY"}),
    ("SECRET_KEY", {"ARGON2_MEMORY_KIB": "64", "DEBUG": "true"}, {"ARGON2_MEMORY_KIB", "DEBUG"}),
    ("API_PORT", {"DEBUG": "true"}, {"DEBUG"}),
    ("HSTS_SECONDS", {"CORS_ORIGINS": "*"}, {"CORS_ORIGINS"}),
    ("DATABASE_POOL_SIZE", {"DATABASE_URL": ""}, {"DATABASE_URL"}),
    ("DATABASE_URL", {"DATABASE_SSL_ROOT_CERT": "/no/such", "POSTGRES_DB": "x"}, {"DATABASE_SSL_ROOT_CERT"}),
]


@pytest.mark.parametrize(("broken", "others", "named"), BESIDE_A_BROKEN_VALUE)
def test_rules_between_settings_come_in_the_same_round(
    broken: str, others: dict[str, str], named: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **{broken: "x"} | others)

    assert problems().keys() == {broken, *named}


def test_a_required_setting_that_is_missing_hides_no_rule(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, SECRET_KEY="", ARGON2_TIME_COST="1", DATABASE_URL="")

    assert problems().keys() == {"SECRET_KEY", "ARGON2_TIME_COST", "DATABASE_URL"}


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("DATABASE_URI", "DATABASE_URL"), ("POSTGRES_DATABASE", "POSTGRES_DB"), ("CORS_ALLOWED_ORIGINS", "CORS_ORIGINS")],
)
def test_a_misspelt_variable_is_named_beside_what_is_missing(
    misspelt: str, meant: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, DATABASE_URL="", **{misspelt: PLANTED})

    assert problems()[misspelt] == f"is no setting; did you mean {meant}?"


@pytest.mark.parametrize("name", ["POSTGRES_INITDB_ARGS", "HTTP_PROXY", "API_KEY", "LOG_DIR"])
def test_a_variable_of_another_program_is_left_alone(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_with(monkeypatch, **{name: "x", "API_PORT": "x"}).keys() == {"API_PORT"}
