"""Every command by its name."""

import typer

from app.cli import db, dev, doctor, secrets, serve, update_preview, users

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
cli.command()(update_preview.update_preview)
