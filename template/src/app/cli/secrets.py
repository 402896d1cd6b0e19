"""`app secrets`: API keys of organisations and teams, and the keys they are encrypted with."""

import sys
from typing import Annotated

import typer
from pydantic import SecretStr

from app.cli.output import ask, err, out
from app.cli.settings import with_services
from app.core.config.secrets import new_key
from app.core.database import get_database
from app.core.exceptions import ConfigurationError
from app.core.secrets import count_by_key, get_secrets_service, rotate
from app.core.uow import unit_of_work

secrets = typer.Typer(no_args_is_help=True, add_completion=False)

Provider = Annotated[str, typer.Argument(help='The provider, such as "openai".')]
Organization = Annotated[str, typer.Option("--org", help="Id of the organisation.")]
Team = Annotated[str | None, typer.Option("--team", help="Id of the team; the organisation's own unless given.")]


@secrets.command(name="set")
@with_services
async def set_key(provider: Provider, org: Organization, team: Team = None) -> None:
    """Store a key. It is asked for, or read from standard input: an argument would end up in the shell's history."""
    value = await _read_value()
    async with unit_of_work() as uow:
        await get_secrets_service().set_api_key(uow.session, org, provider, value, team)
    out.print("stored")


@secrets.command(name="list")
@with_services
async def list_keys(
    org: Annotated[str | None, typer.Option("--org", help="Id of the organisation; all unless given.")] = None,
) -> None:
    """Show what is stored, a line each: path, key id, when it was last set. Never a value."""
    for info in await get_secrets_service().list(get_database().reader, org):
        out.print(f"{info.path}  {info.key_id}  {info.updated_at:%Y-%m-%d %H:%M:%SZ}")


@secrets.command(name="delete")
@with_services
async def delete_key(provider: Provider, org: Organization, team: Team = None) -> None:
    """Delete a key."""
    async with unit_of_work() as uow:
        await get_secrets_service().delete_api_key(uow.session, org, provider, team)
    out.print("deleted")


@secrets.command(name="rotate")
@with_services
async def rotate_keys() -> None:
    """Re-encrypt everything with the first of SECRETS_KEYS, while the service runs. May be interrupted and repeated."""
    keyring = get_secrets_service().keyring()
    done, failures = await rotate(keyring)
    out.print(f"re-encrypted {done} with {keyring.active_id}")
    for path, error in failures.items():
        err.print(f"{path}: {error.message}")
    counts = await count_by_key(get_database().reader)
    if others := sum(counts.values()) - counts.get(keyring.active_id, 0):
        raise ConfigurationError(
            f"{others} secrets are still under other keys: they cannot be decrypted, others hold them, or processes "
            "with older settings have stored them meanwhile.",
            next_step="Put missing keys back into SECRETS_KEYS, give all processes the same, and repeat this; set or "
            "delete what cannot be decrypted.",
        )


@secrets.command()
def keygen() -> None:
    """Print a new key for SECRETS_KEYS.

    To change keys without a gap: append it to SECRETS_KEYS everywhere; when every process has it, move it to the
    front; run `app secrets rotate`; take the old key out.
    """
    out.print(new_key().get_secret_value())


async def _read_value() -> SecretStr:
    if sys.stdin.isatty():
        return SecretStr(await ask("Key:", secret=True, instead="Pipe it in."))
    # One line break at the end is the pipe's, not the key's. What is too long, or no text, is refused later.
    read = sys.stdin.buffer.read().decode(errors="surrogateescape")
    return SecretStr(read.removesuffix("\n").removesuffix("\r"))
