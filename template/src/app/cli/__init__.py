"""The command line: `app dev|serve|worker|db|jobs|secrets|users|doctor|update`."""


def run() -> None:
    """Run the console script."""
    # Imported here: each process that a server spawns imports this module again, and needs no command.
    from app.cli.commands import main  # noqa: PLC0415

    main()
