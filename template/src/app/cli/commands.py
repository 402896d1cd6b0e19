"""Every command by its name."""

import typer

from app.cli import db, dev, doctor, secrets, serve, update, users

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


# Listed here; `app.cli.run` starts it before anything else is imported.
@cli.command(name="update", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def update_command(context: typer.Context) -> None:
    """Bring a later version of the template in, or other answers; `app update --help` has the options."""
    raise typer.Exit(update.update(context.args))
