"""What a migration does that Alembic has no operation for, and all that one would do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from alembic.autogenerate import render_python_code, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import DowngradeOps, MigrateOperation, ModifyTableOps, UpgradeOps
from sqlalchemy import Enum


class Sql(MigrateOperation):
    """A statement, and the one that takes it back.

    Attributes:
        up: The statement.
        down: What takes it back; None where nothing does.
        order: Before (negative) or after (positive) what Alembic has found.
        alone: Commits what precedes it, and itself: for what a transaction cannot use until it is committed.
    """

    def __init__(self, up: str, down: str | None, *, order: int = 0, alone: bool = False) -> None:
        self.up = up
        self.down = down
        self.order = order
        self.alone = alone

    def reverse(self) -> "Sql":
        """Return the operation that takes this one back."""
        return Sql(self.down or "", self.up)


@renderers.dispatch_for(Sql)
def _render(_context: AutogenContext, operation: Sql) -> str:
    # `op.execute` reads :name as a parameter.
    statement = re.sub(r"(?<![:\w]):(?=\w)", r"\\:", operation.up)
    # One line, which ruff breaks: Alembic's printer would indent all that follows.
    return f"{'with op.get_context().autocommit_block(): ' if operation.alone else ''}op.execute({statement!r})"


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 — Alembic's protocol
    """Write enum types without their creation, which is a statement of its own: two tables may share one."""
    if kind != "type" or not isinstance(item, Enum) or not item.native_enum:
        return False
    context.imports.add("from sqlalchemy.dialects import postgresql")
    schema = f", schema={item.schema!r}" if item.schema else ""
    return f"postgresql.ENUM({', '.join(map(repr, item.enums))}, name={item.name!r}{schema}, create_type=False)"


@dataclass(frozen=True)
class Comparison:
    """How models and database differ.

    Attributes:
        operations: What a migration would do.
        refusals: Differences that a migration cannot make as they are, each with the way.
        warnings: What a migration would do only where the rows allow it.
        notes: What is not compared.
    """

    operations: UpgradeOps
    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        """Whether there is no difference."""
        return self.operations.is_empty() and not self.refusals

    @property
    def code(self) -> str:
        """The operations as a migration spells them, without Alembic's remarks."""
        context = MigrationContext.configure(dialect_name="postgresql")
        code = render_python_code(self.operations, render_item=render_item, migration_context=context)
        return "\n".join(line for line in code.splitlines() if not line.strip().startswith("# ###"))

    def take_back(self, downgrade: DowngradeOps) -> None:
        """Make a downgrade the reverse of this, but for what nothing takes back."""
        downgrade.ops[:] = [
            each.reverse()
            for each in reversed(self.operations.ops)
            if not isinstance(each, Sql) or each.down is not None
        ]


def flat(operations: UpgradeOps) -> Iterator[MigrateOperation]:
    """Yield each operation by itself."""
    for operation in operations.ops:
        yield from operation.ops if isinstance(operation, ModifyTableOps) else (operation,)
