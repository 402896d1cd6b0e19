"""`app users`: users made by the owner of the service."""

import asyncio
import sys
from collections.abc import Iterable
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli import migrations
from app.cli.output import out
from app.cli.settings import command_settings, with_database
from app.core.config import ApplicationSettings
from app.core.exceptions import ConfigurationError
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.user import UserCreate
from app.services.users import create_user
from app.wiring import ROLES, open_services

users = typer.Typer(help="Users of this service.", no_args_is_help=True)


@users.callback()
def _users() -> None:
    """Keeps `create` a command of its own while it is the only one."""


@users.command()
def create(
    email: Annotated[str | None, typer.Option(help="The user's address; asked for unless given.")] = None,
    role: Annotated[str, typer.Option(help="The user's role, of those in ROLES of `app.wiring`.")] = DEFAULT_ROLE,
    scope: Annotated[list[str] | None, typer.Option(help="What the user may beyond the role; may be repeated.")] = None,
    *,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Make a user. The password is asked for, or read from standard input: never an argument, which others can see."""
    if role not in ROLES:
        raise ConfigurationError(
            f"There is no role of this name: {role}.", next_step=f"Choose one of {', '.join(sorted(ROLES))}."
        )
    address = email if email is not None else _ask("E-mail address:", secret=False)
    password = sys.stdin.readline().rstrip("\n") if password_stdin else _ask("Password:", secret=True)
    try:
        new = UserCreate.model_validate({"email": address, "password": password})
    except ValidationError as error:
        # The name comes last: what follows "password:" is taken for one and not shown.
        rules = "; ".join(f"{each['msg'].removeprefix('Value error, ')} ({each['loc'][0]})" for each in error.errors())
        raise ConfigurationError(f"No user was made. {rules}.", next_step="Try again within the rules.") from None
    with with_database(command_settings()) as settings:
        migrations.require_current(settings.database, or_newer=True)
        user_id = asyncio.run(_create(settings, new, role, scope or ()))
    out.print(f"created {new.email} ({user_id})", markup=False)


async def _create(settings: ApplicationSettings, new: UserCreate, role: str, grants: Iterable[str]) -> str:
    # All of the application's services: what is recorded here reaches the same subscribers as in a request.
    async with open_services(settings):
        return str((await create_user(new, role=role, grants=grants)).id)


def _ask(question: str, *, secret: bool) -> str:
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "There is no terminal to ask in.",
            next_step="Give --email, and --password-stdin with the password piped in.",
        )
    import questionary  # noqa: PLC0415 — a whole terminal toolkit, for these two questions alone

    answer = (questionary.password if secret else questionary.text)(question).ask()
    if answer is None:
        raise typer.Abort
    return str(answer)
