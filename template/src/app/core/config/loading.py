"""From the environment and the stage's file to checked settings: the one way in."""

import difflib
import os
import re
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.core.config.application import ApplicationSettings
from app.core.config.section import Environment, Problem, SettingsSection
from app.core.exceptions import ConfigurationError

_STAGE: Final = "ENVIRONMENT"
# Marks the project's own folder, in a checkout and in the image alike: migrations need it anyway.
_PROJECT_MARK: Final = "alembic.ini"
# A name, and a value in quotes that close in the same line, or one without quotes.
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:(['\"])(.*?)\2(?:\s+#.*)?|(.*))")
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
    stage = os.environ.get(_STAGE) or Environment.DEVELOPMENT
    is_known = stage in list(Environment)
    environment = Environment(stage) if is_known else Environment.DEVELOPMENT
    file = ".env" if environment is Environment.DEVELOPMENT else f".env.{environment}"
    values, found = _read_file(project_folder() / file, known_variables())
    if not is_known:
        found.append(Problem(_STAGE, f"must be one of {', '.join(Environment)}"))
    elif values.pop(_STAGE, environment) != environment:
        found.append(Problem(_STAGE, f"must be {environment} in {file}; set other stages in the environment"))
    values |= {name.upper(): value for name, value in os.environ.items() if value}

    sections: dict[str, SettingsSection] = {}
    for name, section in ApplicationSettings.sections().items():
        read, wrong = _read_section(section, environment, values)
        found.extend(wrong)
        if read is not None:
            sections[name] = read
            found.extend(read.problems(environment))
    if found:
        raise _error(found, file)
    return ApplicationSettings.model_validate({"environment": environment, **sections})


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


def _read_file(path: Path, known: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the values of a file that are not empty, as they are written, and what is wrong with its lines.

    A file that is not there is empty. It is the application's alone, so that every name in it must be known.
    """
    try:
        # Editors on Windows begin a file with a mark that is no part of the first name.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as err:
        cause = err.strerror if isinstance(err, OSError) else "it is not in UTF-8"
        return {}, [Problem(path.name, f"cannot be read ({cause}); make it a text file of one NAME=value a line")]
    values: dict[str, str] = {}
    problems: list[Problem] = []
    unclosed = False
    for number, line in enumerate(map(str.strip, lines), start=1):
        place = f"{path.name}:{number}"
        if not line or line.startswith("#"):
            continue
        assignment = _ASSIGNMENT.fullmatch(line)
        # Below a quote that is not closed, a name that is not known may be a part of a secret.
        if assignment is None or (unclosed and assignment[1] not in known):
            problems.append(Problem(place, "cannot be understood; write NAME=value"))
            continue
        name, quote, quoted, bare = assignment.groups()
        unclosed = unclosed or (quote is None and bare.startswith(("'", '"')))
        if name not in known:
            problems.append(Problem(name, f"is no setting of this application ({place}){_did_you_mean(name, known)}"))
        elif name in values:
            problems.append(Problem(name, f"is set more than once, again in {place}; keep one"))
        elif rule := _rule_broken_by(line, quote, quoted or bare):
            problems.append(Problem(name, rule.format(place=place)))
        values[name] = quoted if quote else bare
    return {name: value for name, value in values.items() if value}, problems


def _rule_broken_by(line: str, quote: str | None, value: str) -> str | None:
    """Return the rule that a value breaks which shells, Compose or python-dotenv would not take as it is written."""
    if quote is None and value.startswith(("'", '"')):
        return "begins with a quote in {place}, that must be closed in the same line"
    if quote is None and re.search(r"\s#", line):
        return "is cut at the # in {place}; put the value in single quotes, or the comment on a line of its own"
    if quote != "'" and "${" in value:
        return "has ${{…}} in {place}, which other readers of the file replace; put the value in single quotes"
    if quote and (quote in value or "\\" in value):
        return "has a backslash or a quote in {place}, of which quotes make another text; write it without quotes"
    return None


def _did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence that asks for the known name most like this one; empty where none is."""
    match = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {match[0]}?" if match else ""


def _read_section(
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
    for name in rules.keys() & variables.keys():
        field = section.model_fields[name]
        # What is required, such as a key, has no default.
        given[name] = secrets.token_urlsafe(48) if field.is_required() else field.get_default()
    problems = [Problem(variables.get(name, section.__name__), rule) for name, rule in rules.items()]
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
    first: dict[str, str] = {}
    for variable, rule in problems:
        first.setdefault(variable, f"  {variable} {rule}")
    count = "1 setting is" if len(first) == 1 else f"{len(first)} settings are"
    return ConfigurationError(
        "\n".join([f"{count} wrong:", *first.values()]),
        next_step=f"Correct them in the environment or in {file}; the repository's .env.example documents each.",
        details={"variables": list(first)},
    )
