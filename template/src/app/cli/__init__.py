"""The command line: `app dev|serve|db|secrets|users|doctor|update-preview`."""

import sys
from pathlib import Path


def run() -> None:
    """The console script: what is wrong is said in a sentence, with the next step, and a non-zero exit code."""
    # Imported here, because after an update any module may be one that cannot be.
    try:
        from app.cli.commands import cli  # noqa: PLC0415
        from app.cli.output import failed  # noqa: PLC0415
        from app.core.exceptions import AppException  # noqa: PLC0415
    except SyntaxError as error:
        if not _is_conflict(error):
            raise
        sys.stderr.write(
            f"error: {error.filename}, line {error.lineno}: conflicts of an update or a merge are left there.\n"
            "next: Choose between the lines at <<<<<<< and >>>>>>>; `git diff --check` lists them all.\n"
        )
        raise SystemExit(1) from error
    try:
        cli()
    except AppException as error:
        raise SystemExit(failed(error)) from error


def _is_conflict(error: SyntaxError) -> bool:
    from app.development.updates.conflicts import has_markers  # noqa: PLC0415 — for this case alone

    return error.filename is not None and has_markers(Path(error.filename).read_text(encoding="utf-8"))
