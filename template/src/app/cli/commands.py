"""Every command by its name, each imported when it is run."""

from importlib import import_module
from typing import Any, Final, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from app.cli.update import update


class _Listed(NamedTuple):
    """The place of a command, and the line that the list of commands has for it."""

    place: str
    help: str


COMMANDS: Final = {
    "dev": _Listed(
        "app.cli.dev:dev", "Serve for development: brings PostgreSQL if none is configured, migrates it, reloads."
    ),
    "serve": _Listed("app.cli.serve:serve", "Serve requests with several processes, in production."),
    "db": _Listed("app.cli.db:db", "Migrations of the database."),
    "secrets": _Listed("app.cli.secrets:secrets", "API keys of organisations and teams, encrypted in the database."),
    "users": _Listed("app.cli.users:users", "Users of this service."),
    "doctor": _Listed("app.cli.doctor:doctor", "Check every setting and service; the exit code is 1 for a failure."),
    # The console script starts it before anything else is imported; this is for the list.
    "update": _Listed("app.cli.commands:update_", "Bring a later version of the template in, or other answers."),
}


class _Commands(TyperGroup):
    """The list imports no command, and one that cannot be imported is no reason for the others to fail."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 — as the base has it
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ANN401, ARG002 — as above
        listed = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=listed.help) if listed else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 — as above
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and listed else listed, rest


def load_command(name: str) -> TyperCommand | TyperGroup:
    """Import a command; raises whatever its module raises."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    return cast("TyperCommand | TyperGroup", typer.main.get_command(found))


cli = typer.Typer(
    name="app",
    cls=_Commands,
    help="Runs and looks after this service.",
    no_args_is_help=True,
    # A traceback with local variables would print settings.
    pretty_exceptions_enable=False,
)


@cli.callback()
def _app() -> None:
    """Runs and looks after this service."""


update_ = typer.Typer(add_completion=False)


@update_.command(name="update", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def _update(context: typer.Context) -> None:
    raise typer.Exit(update(context.args))
