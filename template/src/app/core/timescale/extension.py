"""The extension itself: whether the server has it, has loaded it, and may do what is asked of it."""

import re
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import ReadSession, WriteSession
from app.core.timescale import errors
from app.core.timescale.turns import Limits, take_turn

# Its own setting tells whether the library is loaded: any role may read it, shared_preload_libraries superusers only.
# What a configuration file says of a library that is not loaded is known as text, whatever it looks like.
_STATE: Final = text(
    "SELECT (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available, "
    "(SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS created, "
    "EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers' AND vartype = 'integer') "
    "AS loaded, current_setting('timescaledb.license', true) AS license"
)


class Extension(NamedTuple):
    """What a server, and one database of it, have.

    Attributes:
        available: The version that the server would create; None without its files.
        created: The version that is in this database; None where it is not.
        loaded: Whether the server loads it when it starts.
        license: Its own setting of that name; `apache` has hypertables and no policies. None where it is not created.
    """

    available: str | None
    created: str | None
    loaded: bool
    license: str | None

    def require_usable(self) -> None:
        """Fail where the extension could not be used, or not even be created.

        Raises:
            ConfigurationError: It is missing, not loaded or too old.
        """
        version = self.created or self.available
        if version is None:
            raise errors.missing()
        if not self.loaded:
            raise errors.not_preloaded()
        if _numbers(version) < errors.OLDEST:
            raise errors.too_old(version)

    def require_policies(self) -> None:
        """Fail where there is neither a columnstore nor anything that runs by itself.

        Raises:
            ConfigurationError: It is the Apache edition.
        """
        if self.license == "apache":
            raise errors.without_policies()


async def find_extension(session: ReadSession) -> Extension:
    """What this database has. Nothing in here makes the server load the library, which may end the connection."""
    row = (await session.execute(_STATE)).one()
    return Extension(row.available, row.created, row.loaded, row.license)


async def create_extension(session: WriteSession, *, limits: Limits) -> list[str]:
    """Create the extension in this database unless it is there.

    Returns:
        What was done, in sentences.

    Raises:
        ConfigurationError: It cannot be, for a reason that somebody can remove.
    """
    async with take_turn(session, limits):
        found = await find_extension(session)
        found.require_usable()
        if found.created:
            return []
        try:
            await session.execute(text("CREATE EXTENSION timescaledb"))
        except DBAPIError as err:
            if getattr(err.orig, "sqlstate", None) == "42501":
                raise errors.not_allowed_to_create() from err
            raise
    return [f"TimescaleDB {found.available}: created in this database"]


def _numbers(version: str) -> tuple[int, ...]:
    """The first two of a version such as 2.28.3, 2.27.0-p0 or 2.29.0-dev."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
