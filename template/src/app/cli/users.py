"""`app users`: users made by the owner of the service."""

import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.output import ask, out
from app.cli.settings import run_with_services
from app.core.exceptions import ConfigurationError
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.user import UserCreate
from app.repositories.users import UserRow
from app.services.users import create_user
from app.wiring import ROLES

users = typer.Typer(help="Users of this service.", no_args_is_help=True)

_INSTEAD = "Give --email, and --password-stdin with the password piped in."


@users.callback()
def _users() -> None:
    """Keeps `create` a command of its own while it is the only one."""


@users.command()
def create(
    email: Annotated[str | None, typer.Option(help="The user's address; asked for unless given.")] = None,
    role: Annotated[str, typer.Option(help="The user's role, a name in ROLES of `app.wiring`.")] = DEFAULT_ROLE,
    scope: Annotated[list[str] | None, typer.Option(help="A scope beyond the role's; may be repeated.")] = None,
    *,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Make a user. The password is asked for, or read from standard input: never an argument, which others can see."""
    if role not in ROLES:
        raise ConfigurationError(
            f"There is no role of this name: {role}.", next_step=f"Choose one of {', '.join(sorted(ROLES))}."
        )
    address = email if email is not None else ask("E-mail address:", instead=_INSTEAD)
    password = sys.stdin.readline().rstrip("\n") if password_stdin else ask("Password:", secret=True, instead=_INSTEAD)
    try:
        new = UserCreate.model_validate({"email": address, "password": password})
    except ValidationError as error:
        # The name comes last: what follows "password:" is taken for one and not shown.
        rules = "; ".join(f"{each['msg'].removeprefix('Value error, ')} ({each['loc'][0]})" for each in error.errors())
        raise ConfigurationError(f"No user was made. {rules}.", next_step="Try again within the rules.") from None

    async def work() -> UserRow:
        return await create_user(new, role=role, grants=scope or ())

    out.print(f"created {new.email} ({run_with_services(work).id})", markup=False)
