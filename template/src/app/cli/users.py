"""`app users`: users made and looked after by the owner of the service."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from app.cli.output import ask, out
from app.cli.settings import run_with_services
from app.core.database import get_database
from app.core.exceptions import ConfigurationError
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.user import NewPassword, UserChange, UserCreate
from app.repositories.users import UserRow
from app.services import users as service
from app.services.authentication import get_authentication
from app.wiring import ROLES

users = typer.Typer(help="Users of this service.", no_args_is_help=True)

_INSTEAD = "Give --email, and --password-stdin with the password piped in."
_PIPED = "Give --password-stdin, with the password piped in."

Address = Annotated[str, typer.Argument(help="The user's address.", metavar="EMAIL")]
PasswordStdin = Annotated[bool, typer.Option(help="Read the password from standard input.")]
Scopes = Annotated[list[str] | None, typer.Option(help="A scope beyond the role's; may be repeated.")]


class _Password(BaseModel):
    password: NewPassword


@users.command()
def create(
    email: Annotated[str | None, typer.Option(help="The user's address; asked for unless given.")] = None,
    role: Annotated[str, typer.Option(help="The user's role, a name in ROLES of `app.wiring`.")] = DEFAULT_ROLE,
    scope: Scopes = None,
    *,
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a user. The password is asked for, or read from standard input: never an argument, which others can see."""
    _require_role(role)
    address = email if email is not None else ask("E-mail address:", instead=_INSTEAD)
    password = _read_password(instead=_INSTEAD, piped=password_stdin)
    try:
        new = UserCreate.model_validate({"email": address, "password": password})
    except ValidationError as error:
        raise _broken_rules("No user was made.", error) from None

    async def work() -> UserRow:
        return await service.create_user(new, role=role, grants=scope or ())

    out.print(f"created {new.email} ({run_with_services(work).id})", markup=False)


@users.command(name="list")
def list_users(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the newest first.")] = 100,
) -> None:
    """Show users, a line each: address, role, scopes beyond it, and if they cannot log in."""

    async def work() -> None:
        page = await service.list_users(get_database().reader, limit=limit, cursor=None)
        for user in page.items:
            states = [
                word
                for word, off in (("disabled", not user.is_active), ("unconfirmed", not user.email_verified_at))
                if off
            ]
            out.print(" ".join([user.email, user.role, *user.scopes, *states]), markup=False)
        if page.next_cursor:
            out.print("…")

    run_with_services(work)


@users.command()
def disable(email: Address) -> None:
    """Refuse all of a user's credentials, and end their sessions."""
    _change(email, "disabled", lambda uow, user: service.change_user(uow, user.id, UserChange(is_active=False)))


@users.command()
def enable(email: Address) -> None:
    """Let a disabled user log in again."""
    _change(email, "enabled", lambda uow, user: service.change_user(uow, user.id, UserChange(is_active=True)))


@users.command()
def set_password(email: Address, *, password_stdin: PasswordStdin = False) -> None:
    """Set a user's password, and end their sessions."""
    try:
        new = _Password.model_validate({"password": _read_password(instead=_PIPED, piped=password_stdin)})
    except ValidationError as error:
        raise _broken_rules("Nothing was changed.", error) from None

    async def work(uow: UnitOfWork, user: UserRow) -> None:
        password_hash = await get_authentication().passwords.hash(new.password.get_secret_value())
        await service.set_password(uow, user.id, password_hash)

    _change(email, "has another password", work)


@users.command()
def grant(
    email: Address,
    role: Annotated[str | None, typer.Option(help="The role to have, a name in ROLES of `app.wiring`.")] = None,
    scope: Scopes = None,
) -> None:
    """Give a user another role, which ends their sessions, or scopes beyond it."""
    if role is not None:
        _require_role(role)
    _change_rights(email, role=role, add=scope or [], remove=[])


@users.command()
def revoke(
    email: Address,
    scope: Scopes = None,
    *,
    role: Annotated[bool, typer.Option("--role", help=f"Back to the role {DEFAULT_ROLE}.")] = False,
) -> None:
    """Take a user's role or scopes beyond it away, and end their sessions."""
    _change_rights(email, role=DEFAULT_ROLE if role else None, add=[], remove=scope or [])


def _change_rights(email: str, *, role: str | None, add: list[str], remove: list[str]) -> None:
    if role is None and not add and not remove:
        raise ConfigurationError("There is nothing to change.", next_step="Give --role, --scope, or both.")

    async def work(uow: UnitOfWork, user: UserRow) -> None:
        if role is not None:
            await service.change_user(uow, user.id, UserChange(role=role))
        if add or remove:
            await service.change_grants(uow, user, add=set(add), remove=set(remove))

    _change(email, "changed", work)


def _change(email: str, done: str, work: Callable[[UnitOfWork, UserRow], Awaitable[object]]) -> None:
    """Change a user in a unit of work, and say so."""

    async def change() -> str:
        async with unit_of_work() as uow:
            user = await service.get_holder(uow.session, email)
            await work(uow, user)
            return user.email

    out.print(f"{run_with_services(change)} {done}", markup=False)


def _require_role(role: str) -> None:
    if role not in ROLES:
        raise ConfigurationError(
            f"There is no role of this name: {role}.", next_step=f"Choose one of {', '.join(sorted(ROLES))}."
        )


def _read_password(*, instead: str, piped: bool) -> str:
    return sys.stdin.readline().rstrip("\n") if piped else ask("Password:", secret=True, instead=instead)


def _broken_rules(outcome: str, error: ValidationError) -> ConfigurationError:
    # The name comes last: what follows "password:" is taken for one and not shown.
    rules = "; ".join(f"{each['msg'].removeprefix('Value error, ')} ({each['loc'][0]})" for each in error.errors())
    return ConfigurationError(f"{outcome} {rules}.", next_step="Try again within the rules.")
