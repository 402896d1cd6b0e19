"""The migrations' environment: one migrator at a time, and each migration in a transaction of its own."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from app.cli.migrations import migrate
from app.core.config import get_settings
from app.models.domain import load_metadata

# The metadata names the constraints that a migration leaves without a name.
_OPTIONS = {"target_metadata": load_metadata(), "transaction_per_migration": True}


def run(connection: Connection) -> None:
    """Run the migrations that Alembic has been asked for."""
    context.configure(connection=connection, **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate(context.config.attributes.get("database") or get_settings().database, run))
