"""`app secrets`: API keys of organisations and teams, and the keys they are encrypted with."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, TypeVar

import typer
from pydantic import SecretStr
from rich.progress import Progress
from rich.text import Text

from app.cli import migrations
from app.cli.output import err, out
from app.cli.settings import command_settings, with_database
from app.core.config import ApplicationSettings
from app.core.config.secrets import new_key
from app.core.database import Database
from app.core.exceptions import ConfigurationError, ValidationError
from app.core.secrets import SecretInfo, SecretsService, make_keyring, make_secrets_service
from app.core.secrets.rotation import Rotation, rotate
from app.core.secrets.service import MAX_VALUE_BYTES
from app.core.secrets.store import list_secrets
from app.core.uow import atomic

secrets = typer.Typer(help="API keys of organisations and teams, encrypted in the database.", no_args_is_help=True)

T = TypeVar("T")
Provider = Annotated[str, typer.Argument(help='Whose key it is, such as "openai".')]
Organization = Annotated[str, typer.Option("--org", help="Id of the organisation.")]
Team = Annotated[str | None, typer.Option("--team", help="Id of the team; the organisation's own unless given.")]

_PAGE = 500


@secrets.command(name="set")
def set_key(provider: Provider, org: Organization, team: Team = None) -> None:
    """Store a key. It is asked for, or read from standard input: an argument would end up in the shell's history."""

    async def store(database: Database, service: SecretsService) -> None:
        async with database.session() as session, atomic(session):
            await service.set_api_key(session, org, provider, value, team)

    value = _read_value()
    _run(store)
    out.print("stored")


@secrets.command(name="list")
def list_keys(
    org: Annotated[str | None, typer.Option("--org", help="Id of the organisation; all unless given.")] = None,
) -> None:
    """Show what is stored, a line each: path, key id, when it was last set. Never a value."""

    async def show(database: Database, service: SecretsService) -> None:
        async for info in _all(database, service, org):
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

    async def delete(database: Database, service: SecretsService) -> None:
        async with database.session() as session, atomic(session):
            await service.delete_api_key(session, org, provider, team)

    _run(delete)
    out.print("deleted")


@secrets.command(name="rotate")
def rotate_keys(
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Secrets in a transaction.")] = 100,
) -> None:
    """Re-encrypt everything with the first of SECRETS_KEYS, while the service runs. May be interrupted and repeated."""
    with _ready() as settings, Progress(console=err, transient=True) as bar:
        keyring = make_keyring(settings.secrets)
        task = bar.add_task("Re-encrypting …", total=None)

        async def run() -> Rotation:
            async with _database(settings) as database:
                return await rotate(
                    open_session=database.session,
                    keyring=keyring,
                    batch_size=batch_size,
                    report=lambda rotation: bar.update(task, total=rotation.total, completed=rotation.done),
                )

        rotation = asyncio.run(run())
    out.print(f"re-encrypted {rotation.done} with {keyring.active_id}")
    for path, error in rotation.failures.items():
        err.print(Text(f"{path}: {error.message}"))
    if rotation.failures:
        raise ConfigurationError(
            f"{len(rotation.failures)} secrets cannot be decrypted; they were left as they are.",
            next_step="Put the missing keys back into SECRETS_KEYS, or set or delete these secrets; then repeat this.",
        )
    if rotation.remaining:
        raise ConfigurationError(
            f"{rotation.remaining} secrets are still under other keys: others hold them, or processes with older "
            "settings have stored them meanwhile.",
            next_step="Restart those processes with the same SECRETS_KEYS, then repeat this.",
        )


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


def _run(work: Callable[[Database, SecretsService], Coroutine[Any, Any, T]]) -> T:
    with _ready() as settings:

        async def run() -> T:
            async with _database(settings) as database:
                return await work(database, make_secrets_service(settings.secrets, settings.integrations))

        return asyncio.run(run())


@contextmanager
def _ready() -> Iterator[ApplicationSettings]:
    with with_database(command_settings()) as settings:
        # Else the first thing somebody tries in a new project fails over a missing table, without a next step.
        migrations.require_current(settings.database, or_newer=True)
        yield settings


@asynccontextmanager
async def _database(settings: ApplicationSettings) -> AsyncIterator[Database]:
    database = Database(settings.database, application_name="app secrets")
    try:
        yield database
    finally:
        await database.close()


async def _all(database: Database, service: SecretsService, org: str | None) -> AsyncIterator[SecretInfo]:
    after = ""
    while True:
        async with database.read_session() as session:
            page = (
                await list_secrets(session, "/", after=after, limit=_PAGE)
                if org is None
                else await service.list(session, org, after=after, limit=_PAGE)
            )
        for info in page:
            yield info
        if len(page) < _PAGE:
            return
        after = page[-1].path


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
        raise ConfigurationError("Nobody can be asked whether to delete it.", next_step="Repeat this with --yes.")
    import questionary  # noqa: PLC0415 — as above

    return bool(questionary.confirm(question, default=False).ask())
