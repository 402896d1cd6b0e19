"""The command line: `app dev|serve|db|secrets|users|doctor|update`."""

import sys


def run() -> None:
    """Run the console script: errors are a sentence with the next step, and an exit code other than zero."""
    # An update that was interrupted is finished by this command, whatever cannot be imported meanwhile.
    if sys.argv[1:2] == ["update"]:
        from app.cli.update import update  # noqa: PLC0415

        raise SystemExit(update(sys.argv[2:]))
    try:
        from app.cli.commands import cli  # noqa: PLC0415

        code = cli(standalone_mode=False)
    except Exception as error:
        # Here and not above: any module may be one that cannot be imported.
        from app.cli.failures import exit_code  # noqa: PLC0415

        failed = exit_code(error)
        if failed is None:
            raise
        raise SystemExit(failed) from error
    raise SystemExit(code or 0)
