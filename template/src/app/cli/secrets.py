"""`app secrets`: API keys of organisations and teams, and the keys they are encrypted with."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.text import Text

from app.cli import migrations
from app.cli.output import err, out
from app.cli.settings import command_settings, with_database
from app.core.config.secrets import new_key
from app.core.database import get_database
from app.core.exceptions import ConfigurationError, ValidationError
from app.core.secrets import MAX_VALUE_BYTES, get_secrets_service, rotate
from app.core.uow import atomic
from app.wiring import open_services

secrets = typer.Typer(help="API keys of organisations and teams, encrypted in the database.", no_args_is_help=True)

Provider = Annotated[str, typer.Argument(help='The provider, such as "openai".')]
Organization = Annotated[str, typer.Option("--org", help="Id of the organisation.")]
Team = Annotated[str | None, typer.Option("--team", help="Id of the team; the organisation's own unless given.")]


@secrets.command(name="set")
def set_key(provider: Provider, org: Organization, team: Team = None) -> None:
    """Store a key. It is asked for, or read from standard input: an argument would end up in the shell's history."""

    async def store() -> None:
        async with get_database().session() as session, atomic(session):
            await get_secrets_service().set_api_key(session, org, provider, value, team)

    value = _read_value()
    _run(store)
    out.print("stored")


@secrets.command(name="list")
def list_keys(
    org: Annotated[str | None, typer.Option("--org", help="Id of the organisation; all unless given.")] = None,
) -> None:
    """Show what is stored, a line each: path, key id, when it was last set. Never a value."""

    async def show() -> None:
        async with get_database().read_session() as session:
            for info in await get_secrets_service().list(session, org):
                out.print(Text(f"{info.path}  {info.key_id}  {info.updated_at:%Y-%m-%d %H:%M:%SZ}"))

    _run(show)


@secrets.command(name="delete")
def delete_key(
    provider: Provider,
    org: Organization,
    team: Team = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a key."""
    if not yes and not _confirmed(f"Delete the {provider} key of {org}{f', team {team}' if team else ''}?"):
        raise typer.Exit(1)

    async def delete() -> None:
        async with get_database().session() as session, atomic(session):
            await get_secrets_service().delete_api_key(session, org, provider, team)

    _run(delete)
    out.print("deleted")


@secrets.command(name="rotate")
def rotate_keys(
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Secrets in a transaction.")] = 100,
) -> None:
    """Re-encrypt everything with the first of SECRETS_KEYS, while the service runs. May be interrupted and repeated."""

    async def work() -> None:
        keyring = get_secrets_service().keyring()
        rotation = await rotate(keyring, batch_size=batch_size)
        out.print(f"re-encrypted {rotation.done} with {keyring.active_id}")
        for path, error in rotation.failures.items():
            err.print(Text(f"{path}: {error.message}"))
        if rotation.failures:
            raise ConfigurationError(
                f"{len(rotation.failures)} secrets cannot be decrypted; they were left as they are.",
                next_step="Put the missing keys back into SECRETS_KEYS, or set or delete these secrets; then repeat.",
            )
        if rotation.remaining:
            raise ConfigurationError(
                f"{rotation.remaining} secrets are still under other keys: others hold them, or processes with older "
                "settings have stored them meanwhile.",
                next_step="Restart those processes with the same SECRETS_KEYS, then repeat this.",
            )

    _run(work)


@secrets.command()
def keygen(
    key_id: Annotated[str | None, typer.Option("--id", help="Its id; today's date unless given.")] = None,
) -> None:
    """Print a new key for SECRETS_KEYS."""
    try:
        key = new_key(key_id)
    except ValueError as error:
        raise ConfigurationError(f"The key {error}.", next_step="Choose another --id.") from None
    typer.echo(key.get_secret_value())
    err.print(
        "To change keys without a gap: append it to SECRETS_KEYS everywhere; when every process has it, move it to the "
        "front; run `app secrets rotate`; take the old key out.",
        style="dim",
    )


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with with_database(command_settings()) as settings:
        # Else the first command in a new project fails over a missing table, without a next step.
        migrations.require_current(settings.database, or_newer=True)

        async def run() -> None:
            async with open_services(settings):
                await work()

        asyncio.run(run())


def _read_value() -> SecretStr:
    if sys.stdin.isatty():
        import questionary  # noqa: PLC0415 — a whole terminal toolkit, for this question alone

        answer = questionary.password("Key:").ask()
        if answer is None:
            raise typer.Exit(1)
        return SecretStr(answer)
    try:
        # One line break at the end is the pipe's, not the key's; a value that is too long is refused by its length.
        return SecretStr(sys.stdin.buffer.read(MAX_VALUE_BYTES + 3).decode().removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError:
        pass
    raise ValidationError("value", "An API key is UTF-8 text.")


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask in.", next_step="Repeat this with --yes.")
    import questionary  # noqa: PLC0415 — as above

    return bool(questionary.confirm(question, default=False).ask())
