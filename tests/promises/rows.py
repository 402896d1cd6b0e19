"""Promises of the database's connections, of units of work, and of the rows that they store."""

from __future__ import annotations

from tests.promises.promise import Promise

ROWS = (
    Promise(
        "a closed connection is replaced before it is lent",
        "src/app/core/database/engine.py",
        "if connection.driver_connection.is_closed():",
        "if False:",
        "tests/integration/core/test_database.py",
    ),
    Promise(
        "a read session cannot change anything",
        "src/app/core/database/engine.py",
        'limits["default_transaction_read_only"] = "on"',
        'limits["default_transaction_read_only"] = "off"',
        "tests/integration/core/test_database.py",
    ),
    Promise(
        "changes that a session would lose are an error",
        "src/app/core/database/database.py",
        "        await session.require_committed()\n",
        "",
        "tests/integration/core/test_uncommitted.py",
    ),
    Promise(
        "a streamed body cannot use a session that is closed",
        "src/app/core/database/sessions.py",
        "        if self._closed:\n",
        "        if False:\n",
        "tests/integration/core/test_uncommitted.py"
        "::test_session_that_is_closed_refuses_to_be_used",
    ),
    Promise(
        "a statement that depends on its values is refused",
        "src/app/core/database/statements.py",
        "binds[name].expanding or",
        "False and",
        "tests/integration/core/test_database_statements.py",
    ),
    Promise(
        "values go to the driver as SQLAlchemy converts them",
        "src/app/core/database/statements.py",
        "values[name] if process is None else",
        "values[name] if True else",
        "tests/integration/core/test_database_statements.py",
    ),
    Promise(
        "rows come from the driver as SQLAlchemy converts them",
        "src/app/core/database/statements.py",
        "if process := column",
        "if process := None and column",
        "tests/integration/core/test_database_statements.py",
    ),
    Promise(
        "a default is made anew for each row",
        "src/app/core/database/statements.py",
        "it.arg(None) if it.is_callable else it.arg",
        "repr(it.arg)",
        "tests/integration/core/test_database_statements.py",
    ),
    Promise(
        "the driver begins before SQLAlchemy's session joins",
        "src/app/core/database/connections.py",
        "await self.run(connection, transaction.start)",
        "pass",
        "tests/integration/core/test_uow.py",
    ),
    Promise(
        "SQLAlchemy's savepoint holds what the driver does in it",
        "src/app/core/uow.py",
        "                await orm.connection()\n",
        "",
        "tests/integration/core/test_uow.py",
    ),
    Promise(
        "a transaction that has failed is not said to be committed",
        "src/app/core/database/engine.py",
        'if status == "ROLLBACK" and',
        "if False and",
        "tests/integration/core/test_uow_events.py",
    ),
    Promise(
        "a transaction that was cut off in the middle is not used again",
        "src/app/core/database/connections.py",
        "if broken or self._closed or driver.is_closed() or driver.is_in_transaction():",
        "if False:",
        "tests/integration/core/test_uow.py",
    ),
    Promise(
        "a cancelled request takes its changes back to the end",
        "src/app/core/database/sessions.py",
        "            await asyncio.shield(asyncio.ensure_future(self._roll_back()))\n",
        "            await self._roll_back()\n",
        "tests/integration/core/test_uow.py",
    ),
    Promise(
        "errors of the driver are the application's own",
        "src/app/core/database/connections.py",
        "except DRIVER_ERRORS as err:",
        "except ZeroDivisionError as err:",
        "tests/integration/core/test_database.py",
    ),
    Promise(
        "connections are lent in the order of asking",
        "src/app/core/database/connections.py",
        "asyncio.Semaphore(",
        "asyncio.Semaphore(100 * ",
        "tests/integration/core/test_database_pool.py",
    ),
    Promise(
        "a kept connection that the server has closed is not used",
        "src/app/core/database/connections.py",
        'and not cast("Any", kept.driver_connection).is_closed()',
        "",
        "tests/integration/core/test_database.py",
    ),
    Promise(
        "slow statements are warnings in the log",
        "src/app/core/database/engine.py",
        "slow=took >= slow_seconds",
        "slow=False",
        "tests/integration/core/test_database.py",
    ),
    Promise(
        "probes wait behind no request",
        "src/app/core/database/database.py",
        "    async with database.probes.connect() as connection:",
        "    await database.writing.give_back(await database.writing.borrow())\n"
        "    async with database.probes.connect() as connection:",
        "tests/integration/api/test_health.py::test_readiness_waits_behind_no_request",
    ),
    Promise(
        "a database that takes no changes is not ready",
        "src/app/core/database/database.py",
        "current_setting('transaction_read_only')::bool",
        "false",
        "tests/integration/api/test_health.py",
    ),
    Promise(
        "production sends nothing to another machine in the clear",
        "src/app/core/config/database.py",
        'if mode == "prefer":',
        "if False:",
        "tests/unit/core/config/test_stages.py",
    ),
    Promise(
        "two tabs may refresh at once",
        "src/app/repositories/credentials.py",
        "RefreshToken.used_at > func.clock_timestamp() - _GRACE",
        "RefreshToken.used_at > func.clock_timestamp() + _GRACE",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "the grace of a refresh token ends",
        "src/app/repositories/credentials.py",
        "RefreshToken.used_at > func.clock_timestamp() - _GRACE",
        "RefreshToken.used_at > func.clock_timestamp() - _GRACE - timedelta(days=9)",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "a refresh token used again has the grace of its first use",
        "src/app/repositories/credentials.py",
        "func.coalesce(RefreshToken.used_at, func.clock_timestamp())",
        "func.clock_timestamp()",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "a caller learns nothing of another user's resources",
        "src/app/repositories/items.py",
        '(Item.owner_id == bindparam("owner_id"), Item.id',
        '(bindparam("owner_id", type_=Uuid).is_not(None), Item.id',
        "tests/integration/api/test_items.py",
    ),
    Promise(
        "a page begins in the index where the last one ended",
        "src/app/repositories/items.py",
        'Item.id < bindparam("before")',
        'func.least(Item.id, bindparam("before")) != bindparam("before")',
        "tests/integration/api/test_items_plans.py",
    ),
    Promise(
        "events of a request are published after its commit",
        "src/app/core/uow.py",
        "        await uow.session.commit()\n",
        "        for action in uow.actions:\n"
        "            if waiting := action():\n"
        "                await waiting\n"
        "        await uow.session.commit()\n",
        "tests/integration/api/test_unit_of_work.py",
    ),
    Promise(
        "what follows from a commit fails no request",
        "src/app/core/uow.py",
        '            monitor.capture_exception(err, context={"operation": "uow.after_commit"})',
        "            raise",
        "tests/integration/core/test_uow_events.py",
    ),
    Promise(
        "an event that no subscriber could hear of is an error",
        "src/app/core/uow.py",
        "        bus = get_event_bus()\n",
        "        bus = None\n",
        "tests/integration/core/test_uow_events.py",
    ),
)
