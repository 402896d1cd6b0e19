"""What a request, who makes it and what is stored for it may rely on."""

from __future__ import annotations

from tests.promises.promise import Promise

REQUEST = (
    Promise(
        "the commit comes before the response",
        "src/app/api/dependencies.py",
        'scope="function"',
        'scope="request"',
        "tests/integration/api/test_commit_before_response.py",
    ),
    Promise(
        "a closed connection is replaced before anybody meets it",
        "src/app/core/database/engine.py",
        "if connection.driver_connection.is_closed():",
        "if False:",
        "tests/integration/api/test_commit_before_response.py",
    ),
    Promise(
        "a read session cannot change anything",
        "src/app/core/database/lifecycle.py",
        "postgresql_readonly=True",
        "postgresql_readonly=False",
        "tests/integration/core/test_database.py",
    ),
    Promise(
        "a token's header is this service's own to the letter",
        "src/app/core/security/tokens.py",
        "shape is None or shape[1] != _HEADER",
        "shape is None",
        "tests/unit/core/security/test_tokens.py",
    ),
    Promise(
        "a token that was found good still expires",
        "src/app/core/security/tokens.py",
        "if time.time() >= good_until:",
        "if False:",
        "tests/unit/core/security/test_tokens.py",
    ),
    Promise(
        "a reused refresh token ends its session although it is refused",
        "src/app/services/authentication.py",
        "raise uow.committing(refused)",
        "raise refused",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "an ended session's access tokens are refused at once",
        "src/app/services/authentication.py",
        "if principal.session_id is None or await self.revoked.contains(principal.session_id):",
        "if principal.session_id is None:",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "nobody's password takes as long as somebody's",
        "src/app/core/security/passwords.py",
        "await self._run(partial(self._hash.verify, password, self._nobodys))",
        "pass",
        "tests/unit/core/security/test_passwords.py",
    ),
    Promise(
        "guesses are counted before they are checked",
        "src/app/services/guessing.py",
        "raise RateLimitError(int(wait) + 1)",
        "pass",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "a limited route is limited",
        "src/app/api/identity.py",
        "raise RateLimitError(int(wait) + 1)",
        "pass",
        "tests/integration/api/test_auth.py",
    ),
    Promise(
        "nobody learns of another's things",
        "src/app/repositories/items.py",
        "Item.id == item_id, Item.owner_id == owner_id)",
        "Item.id == item_id)",
        "tests/integration/api/test_items_access.py",
    ),
    Promise(
        "nothing secret is logged",
        "src/app/core/logging/lines.py",
        "else redact(value)",
        "else value",
        "tests/unit/core/test_logging.py",
    ),
    Promise(
        "nothing secret is in the line of a request, which goes a shorter way",
        "src/app/core/logging/records.py",
        '"path": redact_text(path)',
        '"path": path',
        "tests/unit/core/test_logging.py",
    ),
    Promise(
        "a caller's request id cannot forge a line",
        "src/app/api/middleware/context.py",
        "if name == _HEADER and _ACCEPTABLE.fullmatch(value):",
        "if name == _HEADER:",
        "tests/integration/api/test_request_ids.py",
    ),
    Promise(
        "events of a request are published after its commit",
        "src/app/core/uow.py",
        "    try:\n        await uow.session.commit()",
        "    for event in uow.events:\n        await _publish(event)\n"
        "    try:\n        await uow.session.commit()",
        "tests/integration/api/test_events.py",
    ),
    Promise(
        "what follows from a commit fails no request",
        "src/app/core/uow.py",
        "        monitor.capture_exception(err, context=facts)",
        "        raise",
        "tests/integration/core/test_uow.py",
    ),
    Promise(
        "an event that no subscriber could hear of is an error",
        "src/app/core/uow.py",
        "            get_event_bus()\n",
        "            pass\n",
        "tests/integration/core/test_uow.py",
    ),
    Promise(
        "an unknown error reaches the monitor",
        "src/app/api/errors.py",
        "    monitor.capture_exception(error,",
        "    dict(error=error,",
        "tests/integration/api/test_events.py",
    ),
)
