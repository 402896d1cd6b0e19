"""From the environment to checked settings: the one way in."""

import difflib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.core.config.application import ApplicationSettings
from app.core.config.env_file import read_env_file
from app.core.config.section import Problem, SettingsSection
from app.core.exceptions import ConfigurationError
from app.core.stage import Environment

_STAGE: Final = "ENVIRONMENT"
# Marks the project's own folder, in a checkout and in the image alike: migrations need it anyway.
_PROJECT_MARK: Final = "alembic.ini"
# The subjects that pydantic's sentences begin with; the variable takes their place.
_SUBJECT: Final = re.compile(r"^(?:Value error, |[A-Z]\w* (?=should |does |must |is |has ))")
_VERB: Final = re.compile(r"(?:must|should|does|is|has|cannot)\b")
# How alike two names must be (difflib's ratio): more where they do not even begin with the same word.
_ALIKE: Final = 0.85
_ALIKE_WITHIN_SECTION: Final = 0.74


def load_settings() -> ApplicationSettings:
    """Read, check and return all settings.

    The stage is `ENVIRONMENT`, development unless set. The process environment wins over the stage's own file in the
    project's folder: `.env` in development, `.env.staging`, `.env.production`. Files of other stages are not read, so
    that development secrets cannot reach production.

    Raises:
        ConfigurationError: Something is wrong; the message has a line per problem, naming the variable and the rule
            but never the value.
    """
    environment, found = _stage()
    file = env_file_name(environment)
    values, in_file = read_env_file(project_folder() / file, known_variables())
    found.extend(in_file)
    if values.pop(_STAGE, environment) != environment:
        found.append(Problem(_STAGE, f"must be {environment} in {file}; set other stages in the environment"))

    sections: dict[str, SettingsSection] = {}
    for name, section in ApplicationSettings.sections().items():
        read, wrong = _read(section, _keywords(section, environment, values))
        found.extend(wrong)
        if read is not None:
            sections[name] = read
    reported = {problem.variable for problem in found}
    for read in sections.values():
        found.extend(problem for problem in read.problems(environment) if problem.variable not in reported)
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
    """Yield the variables of the process environment that look like misspelt settings.

    They are worth a warning and no more: the environment belongs to other programs, too.
    """
    known = known_variables()
    for name in sorted(os.environ.keys() - known):
        of_section = [each for each in known if each.partition("_")[0] == name.partition("_")[0]]
        match = difflib.get_close_matches(name, of_section, n=1, cutoff=_ALIKE_WITHIN_SECTION) or (
            difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        )
        if match and name.upper() not in known:
            yield Problem(name, f"is no setting; did you mean {match[0]}?")


def known_variables() -> set[str]:
    """Return the names of all settings."""
    return {_STAGE, *(name for section in ApplicationSettings.sections().values() for name in section.variables())}


def _stage() -> tuple[Environment, list[Problem]]:
    """Return the stage; where there is none of that name, the one it is most like, and the problem."""
    name = stage_name()
    if name in list(Environment):
        return Environment(name), []
    match = difflib.get_close_matches(name.lower(), list(Environment), n=1, cutoff=0.5)
    return Environment(match[0] if match else Environment.DEVELOPMENT), [
        Problem(_STAGE, f"must be one of {', '.join(Environment)}")
    ]


def _keywords(section: type[SettingsSection], environment: Environment, values: dict[str, str]) -> dict[str, Any]:
    """Return what a section is given where the process environment says nothing: the file's, else production's own."""
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    defaults = section.production_defaults if environment is Environment.PRODUCTION else {}
    found: dict[str, Any] = {}
    for field in section.model_fields:
        variable = section.variable(field)
        if variable in in_environment:
            continue
        if variable in values:
            found[section.keyword(field)] = values[variable]
        elif field in defaults:
            found[section.keyword(field)] = defaults[field]
    return found


def _read(section: type[SettingsSection], keywords: dict[str, Any]) -> tuple[SettingsSection | None, list[Problem]]:
    """Return a section and what is wrong with its values, for each of which its default stands in.

    The section is None where nothing can stand in: its own rules wait until it can be read.
    """
    try:
        return section(**keywords), []
    except ValidationError as err:
        problems = list(_problems_of(section, err))
    broken = {problem.variable for problem in problems}
    stand_ins = {
        # Nothing that is required, such as a key, has a default.
        section.keyword(name): secrets.token_urlsafe(48)
        if field.is_required()
        else field.get_default(call_default_factory=True, validated_data={})
        for name, field in section.model_fields.items()
        if section.variable(name) in broken
    }
    try:
        return section(**keywords | stand_ins), problems
    except ValidationError:
        return None, problems


def _problems_of(section: type[SettingsSection], err: ValidationError) -> Iterator[Problem]:
    """Yield pydantic's errors, one for each variable, under the names the user knows; their inputs stay out."""
    fields = {section.keyword(field): field for field in section.model_fields}
    seen = set()
    for error in err.errors(include_input=False, include_url=False, include_context=False):
        where = str(error["loc"][0]) if error["loc"] else ""
        variable = section.variable(fields[where]) if where in fields else ", ".join(sorted(section.variables()))
        if variable in seen:
            continue
        seen.add(variable)
        rule = "is required" if error["type"] == "missing" else _SUBJECT.sub("", error["msg"])
        yield Problem(variable, rule if _VERB.match(rule) else f"is refused ({rule})")


def _error(problems: list[Problem], file: str) -> ConfigurationError:
    count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    lines = [f"  {problem.variable} {problem.rule}" for problem in problems]
    return ConfigurationError(
        "\n".join([f"{count} wrong:", *lines]),
        next_step=f"Correct them in the environment or in {file}; the repository's .env.example documents each.",
        details={"variables": [problem.variable for problem in problems]},
    )
