"""The command line: `app dev|serve|db|secrets|users|doctor|update`."""

import re
import sys
from pathlib import Path

_MARKER = re.compile(r"^(?:<{7}|>{7}) \S", re.MULTILINE)


def run() -> None:
    """The console script: what is wrong is said in a sentence, with the next step, and a non-zero exit code."""
    # An update that was interrupted is finished by this command, whatever cannot be imported meanwhile.
    if sys.argv[1:2] == ["update"]:
        from app.cli.update import update  # noqa: PLC0415

        raise SystemExit(update(sys.argv[2:]))
    try:
        # Imported here, because after an update any module may be one that cannot be.
        from app.cli.commands import cli  # noqa: PLC0415
        from app.cli.output import failed  # noqa: PLC0415
        from app.core.exceptions import AppException  # noqa: PLC0415
    except (ImportError, SyntaxError) as error:
        from app.development.updates import interrupted  # noqa: PLC0415

        if title := interrupted(Path.cwd()):
            _say(f"{title} was interrupted.", "Run `uv run app update`: it finishes or undoes it.")
        elif isinstance(error, SyntaxError) and _is_conflict(error):
            _say(
                f"{error.filename}, line {error.lineno}: conflicts of an update or a merge are left there.",
                "Choose between the lines at <<<<<<< and >>>>>>>; `git diff --check` lists them all.",
            )
        else:
            raise
        raise SystemExit(1) from error
    try:
        cli()
    except AppException as error:
        raise SystemExit(failed(error)) from error


def _say(message: str, next_step: str) -> None:
    sys.stderr.write(f"error: {message}\nnext: {next_step}\n")


def _is_conflict(error: SyntaxError) -> bool:
    return error.filename is not None and bool(_MARKER.search(Path(error.filename).read_text(encoding="utf-8")))
