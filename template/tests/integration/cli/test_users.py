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
    """Run `app users create`, with something piped in."""

    def command(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return app_command("users", "create", *arguments)

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
    result = app_users("--email", "Ada@Example.com", *granted, "--password-stdin", stdin=f"{PASSWORD}\nand no more")

    assert result.code == 0
    assert result.out.startswith(f"created {ADDRESS} (")
    assert PASSWORD not in result.out + result.err
    assert scopes_of(ADDRESS, PASSWORD) == {*USER_SCOPES, "reports:read", "reports:write"}


def test_users_create_gives_a_role_of_the_table_and_no_other(app_users: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = app_users("--email", ADDRESS, "--role", "clerk", "--password-stdin", stdin=PASSWORD)
    monkeypatch.setitem(ROLES, "clerk", ["reports:read"])
    made = app_users("--email", ADDRESS, "--role", "clerk", "--password-stdin", stdin=PASSWORD)

    assert (refused.code, made.code) == (1, 0)
    assert "clerk" in refused.err
    assert "Choose one of user." in refused.err
    assert scopes_of(ADDRESS, PASSWORD) == {"reports:read"}


def test_users_create_without_a_terminal_asks_nothing(app_users: Run) -> None:
    result = app_users("--email", ADDRESS, stdin=PASSWORD)

    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "error: There is no terminal to ask in.\nnext: Give --email, and --password-stdin with the password piped in.\n"
    )


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
    result = app_users("--email", address, "--password-stdin", stdin=password)

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: No user was made. {rule}")
    assert "next: Try again within the rules." in result.err
    assert "Planted" not in result.err


def test_users_create_refuses_a_taken_address_whose_password_stays(app_users: Run) -> None:
    app_users("--email", ADDRESS, "--password-stdin", stdin=PASSWORD)

    again = app_users("--email", ADDRESS.upper(), "--password-stdin", stdin="Planted words of another")

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
