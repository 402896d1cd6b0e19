"""From the environment to checked settings: the one way in."""

import difflib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream
from pydantic import ValidationError

from app.core.config.application import ApplicationSettings
from app.core.config.section import Problem, SettingsSection
from app.core.exceptions import ConfigurationError
from app.core.stage import Environment

_STAGE: Final = "ENVIRONMENT"
# Marks the project's own folder, in a checkout and in the image alike: migrations need it anyway.
_PROJECT_MARK: Final = "alembic.ini"


def load_settings() -> ApplicationSettings:
    """Read, check and return all settings.

    The stage is `ENVIRONMENT`, development unless set. The process environment wins over the stage's own file in the
    project's folder: `.env` in development, `.env.staging`, `.env.production`. Files of other stages are not read, so
    that development secrets cannot reach production.

    Raises:
        ConfigurationError: Something is wrong; the message has a line per problem, naming the variable and the rule
            but never the value.
    """
    environment = current_stage()
    env_file = project_folder() / env_file_name(environment)
    found = list(_file_problems(env_file, environment)) if env_file.exists() else []

    sections: dict[str, SettingsSection] = {}
    for name, section in ApplicationSettings.sections().items():
        try:
            sections[name] = section(_env_file=env_file)
        except ValidationError as err:
            found.extend(_problems_of(section, err))
    if not found:
        settings = ApplicationSettings.model_validate({"environment": environment, **sections})
        found.extend(settings.problems())
        if not found:
            return settings
    raise _error(found, env_file)


def current_stage() -> Environment:
    """The stage this process runs in.

    Raises:
        ConfigurationError: `ENVIRONMENT` is none that this application knows.
    """
    stage = os.environ.get(_STAGE) or Environment.DEVELOPMENT
    if stage not in list(Environment):
        raise _error([Problem(_STAGE, f"must be one of {', '.join(Environment)}")], None)
    return Environment(stage)


def env_file_name(environment: Environment) -> str:
    """The file that holds a stage's settings where they do not come from the process environment."""
    return ".env" if environment is Environment.DEVELOPMENT else f".env.{environment}"


def project_folder() -> Path:
    """The nearest folder from the working directory upwards that holds this project, else the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / _PROJECT_MARK).is_file()), here)


def is_set(variable: str) -> bool:
    """Whether the process environment gives a setting, which wins over every file."""
    return bool(os.environ.get(variable))


def export_database_url(url: str) -> None:
    """Let the processes started from this one use a database that was found rather than configured."""
    os.environ["DATABASE_URL"] = url


def likely_typos() -> Iterator[Problem]:
    """Variables of the process environment that look like misspelt settings.

    They are worth a warning and no more: the environment belongs to other programs, too.
    """
    known = known_variables()
    for name in sorted(os.environ.keys() - known):
        if match := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            yield Problem(name, f"is no setting; did you mean {match[0]}?")


def known_variables() -> set[str]:
    """The names of all settings."""
    return {_STAGE, *(name for section in ApplicationSettings.sections().values() for name in section.variables())}


def _file_problems(env_file: Path, environment: Environment) -> Iterator[Problem]:
    """A file of settings is ours alone, so that every name in it must be known."""
    try:
        bindings = list(parse_stream(io.StringIO(env_file.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{env_file.name} cannot be read.",
            next_step="Make it a readable text file in UTF-8, one NAME=value a line.",
        ) from None
    # The parser, and pydantic after it, drop in silence what they cannot read.
    broken = [_line(binding) for binding in bindings if binding.error or (binding.key and binding.value is None)]
    if broken:
        yield Problem(env_file.name, f"cannot be understood in line {', '.join(broken)}; write NAME=value")
    known = known_variables()
    for name, value in {binding.key: binding.value for binding in bindings if binding.key}.items():
        if name == _STAGE and value and value != environment:
            yield Problem(_STAGE, f"in {env_file.name} must be {environment}: set other stages in the environment")
        elif name not in known:
            match = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {match[0]}?" if match else "; remove it, or add it to a section of the settings"
            yield Problem(name, f"is no setting of this application{hint}")


def _line(binding: Binding) -> str:
    """Where it begins; the parser counts blank lines before it as its own."""
    text = binding.original.string
    return str(binding.original.line + text[: len(text) - len(text.lstrip())].count("\n"))


def _problems_of(section: type[SettingsSection], err: ValidationError) -> Iterator[Problem]:
    """Pydantic's errors under the names the user knows; their inputs stay out."""
    for error in err.errors(include_input=False, include_url=False, include_context=False):
        where = str(error["loc"][0]) if error["loc"] else ""
        variable = section.variable(where) if where in section.model_fields else where
        rule = "is required" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
        yield Problem(variable or ", ".join(sorted(section.variables())), rule)


def _error(problems: list[Problem], env_file: Path | None) -> ConfigurationError:
    count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    lines = [f"  {problem.variable}: {problem.rule}" for problem in problems]
    place = f" or in {env_file.name}" if env_file else ""
    return ConfigurationError(
        "\n".join([f"{count} wrong:", *lines]),
        next_step=f"Set them in the environment{place}; .env.example documents every one.",
        details={"variables": [problem.variable for problem in problems]},
    )
