"""Every command by its name, each imported when it is run."""

from importlib import import_module
from typing import Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup

from app.cli.output import explain, fail

# The place of each command, and its line in the list.
COMMANDS: Final = {
    "dev": (
        "devtools.dev:dev",
        "Serve for development: brings PostgreSQL if none is configured, migrates it, reloads on changes.",
    ),
    "serve": ("app.cli.serve:serve", "Serve requests with several processes, in production."),
    "worker": ("app.cli.serve:worker", "Run jobs, in production; `app dev` runs them, too."),
    "db": ("app.cli.db:db", "Migrations of the database."),
    "jobs": ("app.cli.jobs:jobs", "Jobs: what waits, what runs, and what was put aside."),
    "secrets": ("app.cli.secrets:secrets", "API keys of organisations and teams, encrypted in the database."),
    "users": ("app.cli.users:users", "Users of this service."),
    "doctor": ("app.cli.doctor:doctor", "Check every setting and service; the exit code is 1 for a failure."),
    "update": ("devtools.updates:update", "Bring a later version of the template in, or other answers."),
}


class _Commands(TyperGroup):
    """The list imports no command, and one that cannot be imported is no reason for the others to fail."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 — as the base has it
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ANN401, ARG002 — as above
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 — as above
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and listed else listed, rest


cli = typer.Typer(
    cls=_Commands,
    callback=lambda: None,
    help="Runs and looks after this service.",
    no_args_is_help=True,
    # A traceback with local variables would print settings.
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run a command: errors are a sentence with the next step, and an exit code other than zero."""
    try:
        cli()
    except Exception as error:
        if (found := explain(error)) is None:
            raise
        fail(*found)


def load_command(name: str) -> TyperCommand | TyperGroup:
    """Import a command; raises whatever its module raises."""
    place, line = COMMANDS[name]
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    command = cast("TyperCommand | TyperGroup", typer.main.get_command(found))
    command.help = line
    return command
