"""The command line: `app dev|serve|db|secrets|users|doctor`."""

import typer

from app.cli import db, dev, doctor, secrets, serve, users
from app.cli.output import failed
from app.core.exceptions import AppException

cli = typer.Typer(
    name="app",
    help="Runs and looks after this service.",
    no_args_is_help=True,
    # A traceback with local variables would print settings.
    pretty_exceptions_show_locals=False,
)
cli.command()(dev.dev)
cli.command()(serve.serve)
cli.add_typer(db.db, name="db")
cli.add_typer(secrets.secrets, name="secrets")
cli.add_typer(users.users, name="users")
cli.command()(doctor.doctor)


def run() -> None:
    """The console script: what is wrong is said in a sentence, with the next step, and a non-zero exit code."""
    try:
        cli()
    except AppException as error:
        raise SystemExit(failed(error)) from error
