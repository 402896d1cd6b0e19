"""The migrations' environment: the models, and what of the database is left out of the comparison with them."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from alembic import context
from alembic.operations.ops import MigrationScript
from sqlalchemy import Connection, text

from app.cli.catalogs import Catalogs
from app.cli.comparison import PLUGINS, complete
from app.cli.failed_migrations import Attempt
from app.cli.kept import read_kept
from app.cli.migrators import migrate
from app.cli.operations import render_item
from app.core.config import get_settings
from app.models.domain import load_metadata


def run(connection: Connection, attempt: Attempt) -> None:
    """Run the migrations that Alembic has been asked for."""
    metadata = load_metadata()
    extensions = set(connection.scalars(text("SELECT extname FROM pg_extension")))
    # Ends the transaction of that question: each migration begins its own.
    connection.rollback()
    attributes = context.config.attributes
    schemas = {table.schema for table in metadata.tables.values()}

    @cache
    def kept() -> frozenset[str]:
        given = attributes.get("kept")
        return read_kept(Path(__file__).parent) if given is None else frozenset(given)

    def is_wanted(item: Any) -> bool:
        required = getattr(item, "info", {}).get("requires_extension")
        return required is None or required in extensions

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        """Leave out what is kept without a model, and what needs an extension that this server does not have."""
        if reflected and other is None and kind in {"table", "column"}:
            return (item.fullname if kind == "table" else f"{item.table.fullname}.{name}") not in kept()
        return is_wanted(item)

    def review(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
        """Add what Alembic does not see, and let the command decide whether all of it is written."""
        for script in list(scripts):
            if script.upgrade_ops is None or script.downgrade_ops is None:
                continue
            comparison = complete(connection, metadata, catalogs, script.upgrade_ops, kept=kept())
            if "review" in attributes and not attributes["review"](comparison):
                scripts.remove(script)
            comparison.take_back(script.downgrade_ops)

    catalogs = Catalogs(connection, metadata, is_wanted=is_wanted)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=include_object,
        include_schemas=schemas != {None},
        include_name=lambda name, kind, _parents: kind != "schema" or name in schemas | {None},
        compare_type=catalogs.type_differs,
        compare_server_default=True,
        autogenerate_plugins=PLUGINS,
        catalogs=catalogs,
        process_revision_directives=review,
        render_item=render_item,
        transaction_per_migration=True,
        on_version_apply=attempt.version_written,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    given = context.config.attributes
    relative = given.get("relative", False)
    asyncio.run(migrate(given.get("database") or get_settings().database, run, relative=relative))
