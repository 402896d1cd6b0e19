"""`.copier-answers.yml`: what this project was made from, and whether an update can start there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.core.exceptions import ConfigurationError
from app.development.updates.checkout import git

FILE_NAME = ".copier-answers.yml"

_RESTORE = f"Take it back from git: `git log -- {FILE_NAME}` has its versions, `git checkout COMMIT -- {FILE_NAME}`."
_SERVICE = re.compile(r"use_(\w+)")


class Answers(NamedTuple):
    """What the file says.

    Attributes:
        source: Where the template is.
        version: The tag or commit of it that this project is on.
        values: Every question's answer, and what Copier notes for itself.
    """

    source: str
    version: str
    values: dict[str, object]


def read_answers(folder: Path) -> Answers:
    """Read the file, and check that an update could start from it.

    Raises:
        ConfigurationError: It could not.
    """
    import yaml  # noqa: PLC0415 — a part of the development dependencies, which the image is without

    try:
        found = yaml.safe_load((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no {FILE_NAME}: Copier does not know what to update.", next_step=_RESTORE
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise ConfigurationError(
            f"{FILE_NAME} cannot be read: it is broken or has conflicts.", next_step=_RESTORE
        ) from None
    found = found if isinstance(found, dict) else {}
    source, commit = found.get("_src_path"), found.get("_commit")
    for name, value in (("_src_path", source), ("_commit", commit)):
        if not value:
            raise ConfigurationError(
                f"{FILE_NAME} has no {name}: Copier does not know what to update.", next_step=_RESTORE
            )
    _require_source(str(source), str(commit))
    return Answers(str(source), str(commit), {str(name): value for name, value in found.items()})


def is_answer(given: str, taken: object) -> bool:
    """Whether what stands on a command line means what stands in the file."""
    import yaml  # noqa: PLC0415 — as above

    try:
        return taken == given or bool(taken == yaml.safe_load(given))
    except yaml.YAMLError:
        return False


def strangers(folder: Path, answers: Answers) -> Iterator[str]:
    """Services that are on, and of which the code does not say a word."""
    matches = (_SERVICE.fullmatch(name) for name, value in answers.values.items() if value is True)
    wanted = {match.group(1) for match in matches if match}
    if wanted:
        code = "\n".join(path.read_text(encoding="utf-8").lower() for path in (folder / "src").rglob("*.py"))
        yield from sorted(name for name in wanted if name not in code)


def _require_source(source: str, commit: str) -> None:
    """Fail when the template is not where it was; what is elsewhere on the network is not asked."""
    if ":" in source.partition("/")[0]:
        return
    path = Path(source).expanduser()
    if not path.is_absolute():
        raise ConfigurationError(
            f"{FILE_NAME} names the template by a relative path, {source}, which leads elsewhere from another folder.",
            next_step="Write a URL or an absolute path to _src_path there, and commit it.",
        )
    if not path.exists():
        raise ConfigurationError(
            f"The template is no longer at {source}.",
            next_step=f"Write where it is now, best as a URL, to _src_path in {FILE_NAME}, and commit it.",
        )
    # 1 is git's answer; a folder that is none of git's, or somebody else's, is another matter.
    if path.is_dir() and git(path, "rev-parse", "--verify", "--quiet", commit + "^{commit}").returncode == 1:
        raise unknown_version(source, commit, recorded=True)


def unknown_version(source: str, version: str, *, recorded: bool) -> ConfigurationError:
    """What to say when the template has no such version.

    Args:
        source: Where the template is.
        version: Its tag or commit.
        recorded: Whether it is the one in the file, rather than one that was asked for.
    """
    return ConfigurationError(
        f"The template at {source} has no version {version}.",
        next_step=f"Write the version that this project came from to _commit in {FILE_NAME}, and commit it."
        if recorded
        else f"Choose one that `git ls-remote --tags {source}` shows.",
    )
