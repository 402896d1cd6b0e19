"""How migrations run: online, on the application's own driver, one at a time."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from app.cli.kept import read_kept
from app.core.config import get_settings
from app.core.database import migration_engine
from app.models.domain import load_metadata

# Any number that nothing else in this database uses: replicas that start at the same moment take turns.
MIGRATION_LOCK = 4_206_931


def run(connection: Connection) -> None:
    """Run the migrations that Alembic has been asked for."""
    extensions = set(connection.scalars(text("SELECT extname FROM pg_extension")))
    # Ends the transaction of that question: each migration begins its own.
    connection.rollback()

    @cache
    def kept() -> frozenset[str]:
        given = context.config.attributes.get("kept")
        return read_kept(Path(__file__).parent) if given is None else frozenset(given)

    def include_object(item: Any, _name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        """Leave out what is kept without a model, and what needs an extension that this server does not have."""
        # As text, a table is its name and a column is `table.column`.
        if reflected and other is None and kind in {"table", "column"} and str(item) in kept():
            return False
        required = getattr(item, "info", {}).get("requires_extension")
        return required is None or required in extensions

    context.configure(
        connection=connection,
        target_metadata=load_metadata(),
        include_object=include_object,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Connect without the limits that requests have: building an index may take as long as it takes."""
    engine = migration_engine(context.config.attributes.get("database") or get_settings().database)
    async with engine.connect() as connection:
        # A session lock, since each migration has a transaction of its own; closing the connection releases it.
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        await connection.commit()
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(run_online())
