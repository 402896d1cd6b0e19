"""From the environment and the stage's file to checked settings: the one way in."""

import difflib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dotenv.parser import parse_stream
from pydantic import ValidationError

from app.core.config.application import ApplicationSettings
from app.core.config.section import Environment, Problem
from app.core.exceptions import ConfigurationError

_STAGE: Final = "ENVIRONMENT"
_PROJECT_MARK: Final = "alembic.ini"  # it is in a checkout and in the image alike
# A rule in one of pydantic's sentences, whose subject the variable takes the place of.
_RULE: Final = re.compile(r"(?:Value error, |\w+ )?((?:must|should|does|is|has|cannot)\b.*)", re.DOTALL)


def load_settings() -> ApplicationSettings:
    """Read, check and return all settings.

    The stage is `ENVIRONMENT`, development unless set. The process environment wins over the stage's own file in the
    project's folder: `.env` in development, `.env.staging`, `.env.production`. Files of other stages are not read, so
    that development secrets cannot reach production. The ConfigurationError has a line per problem, with the variable
    and the rule but never the value.
    """
    stage = os.environ.get(_STAGE) or Environment.DEVELOPMENT
    environment = Environment(stage) if stage in list(Environment) else Environment.DEVELOPMENT
    file = ".env" if environment is Environment.DEVELOPMENT else f".env.{environment}"
    values, found = _read_file(project_folder() / file)
    if stage != environment:
        found.append(Problem(_STAGE, f"must be one of {', '.join(Environment)}"))
    elif values.pop(_STAGE, environment) != environment:
        found.append(Problem(_STAGE, f"must be {environment} in {file}; set other stages in the environment"))
    values |= {name.upper(): value for name, value in os.environ.items() if value}

    given: dict[str, Any] = {"environment": environment}
    for name, section in ApplicationSettings.sections().items():
        given[name] = dict(section.production_defaults if environment is Environment.PRODUCTION else {})
        variables = section.variables().items()
        given[name] |= {field: values[variable] for field, variable in variables if variable in values}
    settings, refused = _validate(given)
    found += refused
    if settings is not None:
        found += settings.problems()
    if settings is None or found:
        # The first problem of each variable: those after it may follow from it.
        rules = dict(found) | dict(reversed(found))
        raise ConfigurationError(
            "\n".join(["Wrong settings:", *(f"  {variable} {rule}" for variable, rule in rules.items())]),
            next_step=f"Correct them in the environment or in {file}; the repository's .env.example documents each.",
            details={"variables": list(rules)},
        )
    return settings


def project_folder() -> Path:
    """Return the nearest folder upwards that holds this project, else the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / _PROJECT_MARK).is_file()), here)


def needs_env_file() -> bool:
    """Return True in development without a key in the process environment: the first command writes a `.env` then."""
    return os.environ.get(_STAGE, "") in {"", Environment.DEVELOPMENT} and not os.environ.get("SECRET_KEY")


def export_database_url(url: str) -> None:
    """Let the processes started from this one use a database that was found rather than configured."""
    os.environ["DATABASE_URL"] = url


def known_variables() -> set[str]:
    """Return the names of all settings."""
    sections = ApplicationSettings.sections().values()
    return {_STAGE, *(variable for section in sections for variable in section.variables().values())}


def _read_file(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Return the values of a file, which is the application's alone or not there, and what is wrong with its lines."""
    values: dict[str, str] = {}
    problems: list[Problem] = []
    known, understood = known_variables(), True
    # What is no UTF-8 is refused with the variable that has it.
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="surrogateescape") as file:
        for key, value, (text, above), error in parse_stream(file):
            line = above + text.count("\n", 0, len(text) - len(text.lstrip()))
            place = f"{path.name}:{line}"
            if error or (key and value is None):
                understood = False
                problems.append(Problem(place, "cannot be understood; write NAME=value, and close quotes"))
            elif key in known:
                values[key] = value or ""
                if _is_rewritten(text, values[key]):
                    rule = f"is read as something else than is written in {place}; put it into single quotes, or"
                    problems.append(Problem(key, f"{rule} a comment on a line of its own"))
            elif key:
                # Below a quote that is not closed, a name may be a part of a secret.
                subject = key if understood else place
                like = difflib.get_close_matches(key, known, n=1) if understood else ()
                hint = "".join(f"; did you mean {name}?" for name in like)
                problems.append(Problem(subject, f"is no setting of this application ({place}){hint}"))
    return {name: value for name, value in values.items() if value}, problems


def _is_rewritten(text: str, value: str) -> bool:
    """Return True for a value that a reader of the file cuts (` #`), fills in (`${…}`) or unescapes."""
    written = text.partition("=")[2].strip()
    if written.startswith("'"):
        return not written.startswith(f"'{value}'")
    return "${" in value or not (written == value or written.startswith(f'"{value}"'))


def _validate(given: dict[str, Any]) -> tuple[ApplicationSettings | None, list[Problem]]:
    """Return the settings, if any, and what is wrong with values, for which defaults stand in to check the rest."""
    try:
        return ApplicationSettings.model_validate(given), []
    except ValidationError as err:
        errors = err.errors(include_input=False, include_url=False, include_context=False)
    sections, problems = ApplicationSettings.sections(), []
    for error in errors:
        name, field = (*map(str, error["loc"]), "")[:2]
        section = sections[name]
        match = _RULE.fullmatch("is required" if error["type"] == "missing" else error["msg"])
        rule = match[1] if match else f"is refused ({error['msg']})"
        problems.append(Problem(section.variables().get(field, section.__name__), rule))
        if known := section.model_fields.get(field):
            # What is required, such as a key, has no default.
            given[name][field] = secrets.token_urlsafe(48) if known.is_required() else known.get_default()
    with suppress(ValidationError):
        return ApplicationSettings.model_validate(given), problems
    return None, problems
