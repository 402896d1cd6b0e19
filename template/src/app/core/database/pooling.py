"""Transactions behind a pooler (PgBouncer and its kin) that lends a connection of the server for one at a time.

A setting of a connection is lost or, worse, stays for the next client, and a named statement belongs to another
client: so each transaction sets what it needs, and statements have no names. The pooler refuses start-up parameters it
does not know; told to ignore them (`ignore_startup_parameters`), it drops them without a word.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg


def through_transaction_pooler(limits: Mapping[str, str], *, application_name: str) -> dict[str, Any]:
    """Return the arguments of a connection that go in place of those that set the limits when it is opened.

    Args:
        limits: The server's settings of each transaction, by their names.
        application_name: Shown in the pooler's lists.
    """
    local = "".join(f" SET LOCAL {name} = '{value}';" for name, value in limits.items())

    class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
        """A connection whose transactions begin with their settings, in the message that begins them."""

        __slots__ = ()

        async def execute(self, query: str, *args: object, **options: Any) -> str:  # noqa: ANN401 — the driver's own
            """Run a statement; the driver's own transactions begin here."""
            if query.startswith("BEGIN"):
                query += local
            status: str = await super().execute(query, *args, **options)
            return status

    # The one limit that the pooler passes on to each connection that it lends (PgBouncer's documentation, "SET").
    passed_on = {"timezone": limits["timezone"]} if "timezone" in limits else {}
    return {
        "connection_class": PooledConnection,
        "server_settings": {"application_name": application_name, **passed_on},
        # Neither the driver nor SQLAlchemy keeps a statement for later, and none has a name.
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,
    }
