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


def test_users_create_makes_a_user_with_a_piped_password(app_users: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLES, "clerk", ["reports:read"])
    granted = ["--role", "clerk", "--scope", "reports:write", "--scope", "reports:delete"]
    result = app_users(
        "create", "--email", "Ada@Example.com", *granted, "--password-stdin", stdin=f"{PASSWORD}\nand no more"
    )

    assert result.code == 0
    assert result.out.startswith(f"created {ADDRESS} (")
    assert PASSWORD not in result.out + result.err
    assert scopes_of(ADDRESS, PASSWORD) == {"reports:read", "reports:write", "reports:delete"}


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


SHORT = "Nothing was changed. Value should have at least 15 "
NOT_ASKED = "There is no terminal to ask in.\nnext: Give the address, and --password-stdin "
NO_ROLE = "There is no role clerk.\nnext: Choose one of admin, user."


@pytest.mark.parametrize(
    ("arguments", "stdin", "error"),
    [
        ("create --email bob --password-stdin", PASSWORD, "Nothing was changed. value is not a valid email address: "),
        ("create --email bob@example.com --password-stdin", "Planted", SHORT),
        (
            "create --email bob@example.com --password-stdin",
            f"{PASSWORD}\x00",
            "Nothing was changed. must not contain the NUL character (password)",
        ),
        ("create --email bob@example.com", PASSWORD, NOT_ASKED),
        ("create --email bob@example.com --role clerk --password-stdin", PASSWORD, NO_ROLE),
        (
            f"create --email {ADDRESS.upper()} --password-stdin",
            "Planted words of another",
            f"User {ADDRESS} exists already.\nnext: ",
        ),
        ("disable bob@example.com", "", "User bob@example.com does not exist."),
        (f"grant {ADDRESS}", "", "There is nothing to change."),
        (f"grant {ADDRESS} --role clerk", "", NO_ROLE),
        (f"set-password {ADDRESS} --password-stdin", "Planted", SHORT),
        (f"set-password {ADDRESS}", "Planted", NOT_ASKED),
    ],
)
def test_users_commands_refuse_what_they_cannot_do(arguments: str, stdin: str, error: str, app_users: Run) -> None:
    app_users("create", "--email", ADDRESS, "--password-stdin", stdin=PASSWORD)

    result = app_users(*arguments.split(), stdin=stdin)

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {error}")
    assert "next: " in result.err
    assert "Planted" not in result.err
    assert scopes_of(ADDRESS, PASSWORD) == set(USER_SCOPES)
