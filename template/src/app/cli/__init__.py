"""The command line: `app dev|serve|db|secrets|users|doctor|update`."""


def run() -> None:
    """Run the console script: errors are a sentence with the next step, and an exit code other than zero."""
    # Imported here: each process that a server spawns imports this module again, and needs no command.
    try:
        from app.cli.commands import cli  # noqa: PLC0415

        code = cli(standalone_mode=False)
    except Exception as error:
        from app.cli.errors import exit_code  # noqa: PLC0415

        failed = exit_code(error)
        if failed is None:
            raise
        raise SystemExit(failed) from error
    raise SystemExit(code or 0)
