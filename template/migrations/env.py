"""The migrations' environment: the models, and what of the database is left out of the comparison with them."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from app.cli.failed_migrations import Attempt
from app.cli.kept import read_kept
from app.cli.migrators import migrate
from app.core.config import get_settings
from app.models.domain import load_metadata


def run(connection: Connection, attempt: Attempt) -> None:
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
        on_version_apply=attempt.version_written,
    )
    with context.begin_transaction():
        context.run_migrations()


asyncio.run(migrate(context.config.attributes.get("database") or get_settings().database, run))
