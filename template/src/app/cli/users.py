"""`app users`: users made and looked after by the owner of the service."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.output import ask, out
from app.cli.settings import with_services
from app.core.database import get_database
from app.core.exceptions import ConfigurationError
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.types import END
from app.models.schemas.user import UserChange, UserCreate
from app.repositories.users import UserRow
from app.services import users as service
from app.services.authentication import get_authentication
from app.wiring import ROLES

users = typer.Typer(no_args_is_help=True, add_completion=False)

_INSTEAD = "Give the address, and --password-stdin with the password piped in."

Address = Annotated[str, typer.Argument(help="The user's address.", metavar="EMAIL")]
PasswordStdin = Annotated[bool, typer.Option(help="Read the password from standard input.")]
Scopes = Annotated[list[str] | None, typer.Option(help="A scope beyond the role's; may be repeated.")]


@users.command()
@with_services
async def create(
    email: Annotated[str | None, typer.Option(help="The user's address; asked for unless given.")] = None,
    role: Annotated[str, typer.Option(help="The user's role, a name in ROLES of `app.wiring`.")] = DEFAULT_ROLE,
    scope: Scopes = None,
    *,
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a user. The password is asked for, or read from standard input: never an argument, which others can see."""
    _require_role(role)
    address = email or await ask("E-mail address:", instead=_INSTEAD)
    user = await service.create_user(await _read(address, piped=password_stdin), role=role, grants=scope or ())
    out.print(f"created {user.email} ({user.id})")


@users.command(name="list")
@with_services
async def list_users(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the newest first.")] = 100,
) -> None:
    """Show users, a line each: address, role, scopes beyond it, and if they cannot log in."""
    page = await service.list_users(get_database().reader, limit=limit, before=END)
    for user in page.items:
        states = {"disabled": not user.is_active, "unconfirmed": not user.email_verified_at}
        out.print(" ".join([user.email, user.role, *user.scopes, *(word for word, on in states.items() if on)]))
    if page.next_cursor:
        out.print("…")


@users.command()
@with_services
async def disable(email: Address) -> None:
    """Refuse all of a user's credentials, and end their sessions."""
    async with _changing(email, "disabled") as (uow, user):
        await service.change_user(uow, user.id, UserChange(is_active=False))


@users.command()
@with_services
async def enable(email: Address) -> None:
    """Let a disabled user log in again."""
    async with _changing(email, "enabled") as (uow, user):
        await service.change_user(uow, user.id, UserChange(is_active=True))


@users.command()
@with_services
async def set_password(email: Address, *, password_stdin: PasswordStdin = False) -> None:
    """Set a user's password, and end their sessions."""
    new = (await _read(email, piped=password_stdin)).password
    password_hash = await get_authentication().passwords.hash(new.get_secret_value())
    async with _changing(email, "has another password") as (uow, user):
        await service.set_password(uow, user.id, password_hash)


@users.command()
@with_services
async def grant(
    email: Address,
    role: Annotated[str | None, typer.Option(help="The role to have, a name in ROLES of `app.wiring`.")] = None,
    scope: Scopes = None,
) -> None:
    """Give a user another role, which ends their sessions, or scopes beyond it."""
    if role is not None:
        _require_role(role)
    await _change_rights(email, role, add=scope or ())


@users.command()
@with_services
async def revoke(
    email: Address,
    scope: Scopes = None,
    *,
    role: Annotated[bool, typer.Option("--role", help=f"Back to the role {DEFAULT_ROLE}.")] = False,
) -> None:
    """Take a user's role or scopes beyond it away, and end their sessions."""
    await _change_rights(email, DEFAULT_ROLE if role else None, remove=scope or ())


async def _change_rights(email: str, role: str | None, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    if role is None and not add and not remove:
        raise ConfigurationError("There is nothing to change.", next_step="Give --role, --scope, or both.")
    async with _changing(email, "changed") as (uow, user):
        if role is not None:
            await service.change_user(uow, user.id, UserChange(role=role))
        await service.change_grants(uow, user, add=set(add), remove=set(remove))


@asynccontextmanager
async def _changing(email: str, done: str) -> AsyncIterator[tuple[UnitOfWork, UserRow]]:
    """Give a user and a unit of work to change them in, and say what was done when it is committed."""
    async with unit_of_work() as uow:
        user = await service.get_holder(uow.session, email)
        yield uow, user
    out.print(f"{user.email} {done}")


def _require_role(role: str) -> None:
    if role not in ROLES:
        raise ConfigurationError(f"There is no role {role}.", next_step=f"Choose one of {', '.join(sorted(ROLES))}.")


async def _read(email: str, *, piped: bool) -> UserCreate:
    """Return an address with its new password, both within the rules."""
    password = sys.stdin.readline().rstrip("\n") if piped else await ask("Password:", secret=True, instead=_INSTEAD)
    try:
        return UserCreate.model_validate({"email": email, "password": password})
    except ValidationError as error:
        # The name comes last: what follows "password:" is taken for one and not shown.
        rules = "; ".join(f"{each['msg'].removeprefix('Value error, ')} ({each['loc'][0]})" for each in error.errors())
        raise ConfigurationError(f"Nothing was changed. {rules}.", next_step="Try again within the rules.") from None
