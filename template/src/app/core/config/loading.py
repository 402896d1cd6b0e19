"""From the environment to checked settings: the one way in."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.core.config.application import ApplicationSettings
from app.core.config.env_file import did_you_mean, read_env_file
from app.core.config.section import Environment, Problem, SettingsSection
from app.core.exceptions import ConfigurationError

_STAGE: Final = "ENVIRONMENT"
# Marks the project's own folder, in a checkout and in the image alike: migrations need it anyway.
_PROJECT_MARK: Final = "alembic.ini"
# A rule in one of pydantic's sentences, whose subject the variable takes the place of.
_RULE: Final = re.compile(r"(?:Value error, |\w+ )?((?:must|should|does|is|has|cannot)\b.*)", re.DOTALL)


def load_settings() -> ApplicationSettings:
    """Read, check and return all settings.

    The stage is `ENVIRONMENT`, development unless set. The process environment wins over the stage's own file in the
    project's folder: `.env` in development, `.env.staging`, `.env.production`. Files of other stages are not read, so
    that development secrets cannot reach production.

    Raises:
        ConfigurationError: Something is wrong; the message has a line per problem, naming the variable and the rule
            but never the value.
    """
    is_known = stage_name() in list(Environment)
    environment = Environment(stage_name()) if is_known else Environment.DEVELOPMENT
    file = env_file_name(environment)
    values, found = read_env_file(project_folder() / file, known_variables())
    if not is_known:
        found.append(Problem(_STAGE, f"must be one of {', '.join(Environment)}"))
    elif values.pop(_STAGE, environment) != environment:
        found.append(Problem(_STAGE, f"must be {environment} in {file}; set other stages in the environment"))
    values |= {name.upper(): value for name, value in os.environ.items() if value}

    sections: dict[str, SettingsSection] = {}
    for name, section in ApplicationSettings.sections().items():
        read, wrong = _read(section, environment, values)
        found.extend(wrong)
        if read is not None:
            sections[name] = read
            found.extend(read.problems(environment))
    if found:
        raise _error([*found, *likely_typos()], file)
    return ApplicationSettings.model_validate({"environment": environment, **sections})


def stage_name() -> str:
    """Return the name of the stage this process runs in, known or not."""
    return os.environ.get(_STAGE) or Environment.DEVELOPMENT


def env_file_name(environment: Environment) -> str:
    """Return the file that holds a stage's settings where they do not come from the process environment."""
    return ".env" if environment is Environment.DEVELOPMENT else f".env.{environment}"


def project_folder() -> Path:
    """Return the nearest folder upwards that holds this project, else the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / _PROJECT_MARK).is_file()), here)


def is_set(variable: str) -> bool:
    """Return True if the process environment gives a setting, which wins over every file."""
    return bool(os.environ.get(variable))


def export_database_url(url: str) -> None:
    """Let the processes started from this one use a database that was found rather than configured."""
    os.environ["DATABASE_URL"] = url


def likely_typos() -> Iterator[Problem]:
    """Yield the variables of the process environment that look like misspelt settings, and may be other programs'."""
    known = known_variables()
    for name in sorted(os.environ):
        if name.upper() not in known and (hint := did_you_mean(name, known, cutoff=0.75)):
            yield Problem(name, f"is no setting{hint}")


def known_variables() -> set[str]:
    """Return the names of all settings."""
    sections = ApplicationSettings.sections().values()
    return {_STAGE, *(variable for section in sections for variable in section.variables().values())}


def _read(
    section: type[SettingsSection], environment: Environment, values: Mapping[str, str]
) -> tuple[SettingsSection | None, list[Problem]]:
    """Return a section, and what is wrong with its values: defaults stand in, so that its own rules are checked, too.

    It is None where nothing can stand in.
    """
    variables = section.variables()
    given: dict[str, Any] = {
        **(section.production_defaults if environment is Environment.PRODUCTION else {}),
        **{name: values[variable] for name, variable in variables.items() if variable in values},
    }
    try:
        return _make(section, given), []
    except ValidationError as err:
        rules = _rules_broken(err)
    # A validator of several fields names none of them.
    every = ", ".join(sorted(variables.values()))
    problems = [Problem(variables.get(name, every), rule) for name, rule in rules.items()]
    for name, field in section.model_fields.items():
        if name in rules:
            # What is required, such as a key, has no default.
            given[name] = secrets.token_urlsafe(48) if field.is_required() else field.get_default()
    with suppress(ValidationError):
        return _make(section, given), problems
    return None, problems


def _make(section: type[SettingsSection], given: Mapping[str, Any]) -> SettingsSection:
    """Return a section made of the values of its fields, which pydantic takes under their aliases."""
    return section(**{str(section.model_fields[name].validation_alias or name): given[name] for name in given})


def _rules_broken(err: ValidationError) -> dict[str, str]:
    """Return pydantic's first error for each field, without the input, as a rule that follows the variable."""
    rules: dict[str, str] = {}
    for error in err.errors(include_input=False, include_url=False, include_context=False):
        match = _RULE.fullmatch("is required" if error["type"] == "missing" else error["msg"])
        name = str(error["loc"][0]) if error["loc"] else ""
        rules.setdefault(name, match[1] if match else f"is refused ({error['msg']})")
    return rules


def _error(problems: list[Problem], file: str) -> ConfigurationError:
    """Return the error that reports the first problem of each variable: those after it may follow from it."""
    rules = {problem.variable: problem.rule for problem in reversed(problems)}
    first = dict.fromkeys(problem.variable for problem in problems)
    count = "1 setting is" if len(first) == 1 else f"{len(first)} settings are"
    return ConfigurationError(
        "\n".join([f"{count} wrong:", *(f"  {variable} {rules[variable]}" for variable in first)]),
        next_step=f"Correct them in the environment or in {file}; the repository's .env.example documents each.",
        details={"variables": list(first)},
    )
