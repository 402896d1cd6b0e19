"""The operations of a migration, and their Python code."""

import re
from typing import Any, Literal

from alembic.autogenerate import render_python_code, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrateOperation, UpgradeOps
from sqlalchemy import Enum


class Sql(MigrateOperation):
    """A statement, and the one that takes it back.

    Attributes:
        up: The statement.
        down: Its reverse; None where there is none.
    """

    def __init__(self, up: str, down: str | None) -> None:
        self.up = up
        self.down = down

    def reverse(self) -> "Sql":
        """Return the operation that takes this one back."""
        return Sql(self.down or "", self.up)


def reverse(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Return what takes operations back, but for what nothing takes back."""
    return [each.reverse() for each in reversed(operations) if not isinstance(each, Sql) or each.down is not None]


def render(operations: list[MigrateOperation]) -> str:
    """Return operations as a migration spells them, without Alembic's remarks."""
    context = MigrationContext.configure(dialect_name="postgresql")
    code = render_python_code(UpgradeOps(operations), render_item=_render_item, migration_context=context)
    return "\n".join(line for line in code.splitlines() if not line.strip().startswith("# ###")).strip()


@renderers.dispatch_for(Sql)
def _render_sql(_context: AutogenContext, operation: Sql) -> str:
    # `op.execute` reads :name as a parameter.
    statement = re.sub(r"(?<![:\w]):(?=\w)", r"\\:", operation.up)
    return f"op.execute({statement!r})"


def _render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 — Alembic's protocol
    """Return an enum type without its creation, which is a statement of its own: two tables may share one."""
    if kind != "type" or not isinstance(item, Enum) or not item.native_enum:
        return False
    schema = f", schema={item.schema!r}" if item.schema else ""
    return f"postgresql.ENUM({', '.join(map(repr, item.enums))}, name={item.name!r}{schema}, create_type=False)"
