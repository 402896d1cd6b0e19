"""`app users`, as it is typed, on a database of the test's own."""

import asyncio
import io

import pytest
from pydantic import SecretStr

from app.core.config import get_settings
from app.core.exceptions import AuthenticationError
from app.models.schemas.auth import Login
from app.services.authentication import get_authentication
from app.wiring import ROLES, USER_SCOPES, open_services
from tests.integration.cli.conftest import Result, Run, TypeIn

ADDRESS = "ada@example.com"
PASSWORD = "Planted words, fifteen or more"


@pytest.fixture
def app_users(on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `app users`, with something piped in."""

    def command(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return app_command("users", *arguments)

    return command


def scopes_of(address: str, password: str) -> set[str]:
    """Log in, and return the scopes of the token."""

    async def log_in() -> set[str]:
        async with open_services(get_settings()):
            login = Login(email=address, password=SecretStr(password))
            tokens = await get_authentication().log_in(login, address="the machine of the test")
            return set((await get_authentication().identify(tokens.access_token)).scopes)

    return asyncio.run(log_in())


def test_users_create_makes_a_user_with_a_piped_password(app_users: Run) -> None:
    granted = ["--scope", "reports:read", "--scope", "reports:write"]
    result = app_users(
        "create", "--email", "Ada@Example.com", *granted, "--password-stdin", stdin=f"{PASSWORD}\nand no more"
    )

    assert result.code == 0
    assert result.out.startswith(f"created {ADDRESS} (")
    assert PASSWORD not in result.out + result.err
    assert scopes_of(ADDRESS, PASSWORD) == {*USER_SCOPES, "reports:read", "reports:write"}


def test_users_create_gives_a_role_of_the_table_and_no_other(app_users: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = app_users("create", "--email", ADDRESS, "--role", "clerk", "--password-stdin", stdin=PASSWORD)
    monkeypatch.setitem(ROLES, "clerk", ["reports:read"])
    made = app_users("create", "--email", ADDRESS, "--role", "clerk", "--password-stdin", stdin=PASSWORD)

    assert (refused.code, made.code) == (1, 0)
    assert "clerk" in refused.err
    assert "Choose one of admin, user." in refused.err
    assert scopes_of(ADDRESS, PASSWORD) == {"reports:read"}


def test_users_create_without_a_terminal_asks_nothing(app_users: Run) -> None:
    result = app_users("create", "--email", ADDRESS, stdin=PASSWORD)

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: There is no terminal to ask in.\nnext: Give the address, and --pass")


@pytest.mark.parametrize(
    ("address", "password", "rule"),
    [
        ("ada", PASSWORD, "value is not a valid email address: An email address must have an @-sign. (email)"),
        (ADDRESS, "Planted", "Value should have at least 15 "),
        (ADDRESS, f"{PASSWORD}\x00", "must not contain the NUL character (password)"),
    ],
    ids=["no address", "short", "NUL"],
)
def test_users_create_refuses_what_breaks_a_rule(address: str, password: str, rule: str, app_users: Run) -> None:
    result = app_users("create", "--email", address, "--password-stdin", stdin=password)

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: Nothing was changed. {rule}")
    assert "next: Try again within the rules." in result.err
    assert "Planted" not in result.err


def test_users_create_refuses_a_taken_address_whose_password_stays(app_users: Run) -> None:
    app_users("create", "--email", ADDRESS, "--password-stdin", stdin=PASSWORD)

    again = app_users("create", "--email", ADDRESS.upper(), "--password-stdin", stdin="Planted words of another")

    assert (again.code, again.out) == (1, "")
    assert again.err.startswith(f"error: User {ADDRESS} exists already.\nnext: ")
    assert scopes_of(ADDRESS, PASSWORD) == set(USER_SCOPES)
    with pytest.raises(AuthenticationError):
        scopes_of(ADDRESS, "Planted words of another")


def test_users_create_asks_and_does_not_show_the_password(app_users: Run, type_in: TypeIn) -> None:
    interrupted, _ = type_in(f"{ADDRESS}\r\x03", "users", "create")
    result, shown = type_in(f"{ADDRESS}\r{PASSWORD}\r", "users", "create")

    assert (interrupted.code, result.code) == (1, 0), result.err
    assert "E-mail address:" in shown
    assert "Password:" in shown
    assert not any(word in shown for word in ("Planted", "fifteen"))
    assert scopes_of(ADDRESS, PASSWORD) == set(USER_SCOPES)


def test_users_are_listed_disabled_and_given_passwords_and_rights(app_users: Run) -> None:
    for address in (ADDRESS, "bob@example.com"):
        app_users("create", "--email", address, "--password-stdin", stdin=PASSWORD)

    def said(*arguments: str, stdin: str = "") -> str:
        result = app_users(*arguments, stdin=stdin)
        assert result.code == 0, result.err
        return result.out

    assert said("list") == f"bob@example.com user\n{ADDRESS} user\n"
    assert said("list", "--limit", "1") == "bob@example.com user\n…\n"
    assert said("disable", ADDRESS.upper()) == f"{ADDRESS} disabled\n"
    assert f"{ADDRESS} user disabled" in said("list")
    with pytest.raises(AuthenticationError):
        scopes_of(ADDRESS, PASSWORD)
    assert said("enable", ADDRESS) == f"{ADDRESS} enabled\n"
    assert scopes_of(ADDRESS, PASSWORD) == set(USER_SCOPES)

    said("set-password", ADDRESS, "--password-stdin", stdin="Planted words of another")
    with pytest.raises(AuthenticationError):
        scopes_of(ADDRESS, PASSWORD)
    said("grant", ADDRESS, "--role", "admin", "--scope", "a:read", "--scope", "b:read")
    assert scopes_of(ADDRESS, "Planted words of another") == {*USER_SCOPES, "users:admin", "a:read", "b:read"}
    said("revoke", ADDRESS, "--role", "--scope", "a:read")
    assert f"{ADDRESS} user b:read\n" in said("list")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("disable", "bob@example.com"), "User bob@example.com does not exist."),
        (("grant", ADDRESS), "There is nothing to change."),
        (("grant", ADDRESS, "--role", "clerk"), "There is no role clerk."),
        (("set-password", ADDRESS, "--password-stdin"), "Nothing was changed. Value should have at least 15 "),
        (("set-password", ADDRESS), "There is no terminal to ask in."),
    ],
    ids=["no user", "nothing", "no role", "short", "no terminal"],
)
def test_users_commands_refuse_what_they_cannot_do(arguments: tuple[str, ...], error: str, app_users: Run) -> None:
    app_users("create", "--email", ADDRESS, "--password-stdin", stdin=PASSWORD)

    result = app_users(*arguments, stdin="Planted")

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {error}")
    assert scopes_of(ADDRESS, PASSWORD) == set(USER_SCOPES)
