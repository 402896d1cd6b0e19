"""Promises of accounts and their administration: nothing is told, and nothing works twice."""

from __future__ import annotations

from tests.promises.promise import Promise

_TESTS = "tests/integration/accounts/test_accounts.py"
_USERS = "tests/integration/api/test_user_administration.py"

ACCOUNTS = (
    Promise(
        "an address that is not confirmed cannot log in",
        "src/app/services/authentication.py",
        "found.is_active and found.email_verified_at is not None",
        "found.is_active",
        f"{_TESTS}::test_login_refuses_an_unconfirmed_address_like_a_wrong_password",
    ),
    Promise(
        "registration answers known addresses as it answers others",
        "src/app/services/accounts.py",
        "    # For known addresses, too: it is what takes the time.\n",
        "    if await users.find_holder(get_database().reader, new.email):\n"
        '        raise ResourceExistsError("User", new.email)\n',
        f"{_TESTS}::test_accounts_answer_alike_and_mail_those_alone_whom_it_concerns",
    ),
    Promise(
        "registration takes as long for known addresses",
        "src/app/services/accounts.py",
        "    password_hash = await get_authentication().passwords.hash(new.",
        "    known = await users.find_holder(get_database().reader, new.email)\n"
        "    password_hash = known.password_hash if known else "
        "await get_authentication().passwords.hash(new.",
        "tests/integration/accounts/test_accounts_timing.py",
    ),
    Promise(
        "a link is void once it was used",
        "src/app/services/accounts.py",
        'return purpose, f"{user.email} {user.password_hash} {user.email_verified_at}"',
        'return purpose, ""',
        f"{_TESTS}::test_reset_refuses_a_token",
    ),
    Promise(
        "a link is used once by many at a time",
        "src/app/services/accounts.py",
        "if not await users.lock_user(uow.session, user):",
        "if False:",
        f"{_TESTS}::test_reset_with_one_token_succeeds_once_of_many_at_a_time",
    ),
    Promise(
        "a link expires",
        "src/app/services/accounts.py",
        " or time.time() >= link.good_until",
        "",
        f"{_TESTS}::test_reset_refuses_a_token_that_is_old",
    ),
    Promise(
        "a link serves one purpose",
        "src/app/services/accounts.py",
        'return purpose, f"',
        'return "", f"',
        f"{_TESTS}::test_reset_refuses_a_token",
    ),
    Promise(
        "a reset ends all sessions",
        "src/app/services/accounts.py",
        "if password_hash:",
        "if False:",
        f"{_TESTS}::test_reset_ends_all_sessions_and_begins_none",
    ),
    Promise(
        "a disabled user is mailed nothing",
        "src/app/services/accounts.py",
        "if user is None or not all(each.is_active for each in (user, holder) if each):",
        "if user is None:",
        f"{_TESTS}::test_accounts_answer_alike_and_mail_those_alone_whom_it_concerns",
    ),
    Promise(
        "a registration that was not confirmed keeps no address",
        "src/app/services/accounts.py",
        "if purpose is Purpose.CHANGE:",
        "if False:",
        f"{_TESTS}::test_change_of_address_takes_no_account_and_yields_to_no_registration",
    ),
    Promise(
        "mail is limited by address and by account",
        "src/app/services/accounts.py",
        '    await use(get_authentication().limits, tries("mail", email, address, times=_MAILS))\n',
        "",
        f"{_TESTS}::test_accounts_limit_mail_by_address_and_by_account",
    ),
    Promise(
        "without mail, accounts answer 503 for each caller alike",
        "src/app/services/accounts.py",
        "    get_mailer().require()\n",
        "",
        f"{_TESTS}::test_accounts_answer_503_without_mail_to_every_caller",
    ),
    Promise(
        "a login that a reset overtakes is refused",
        "src/app/services/authentication.py",
        "if not await users.lock_user(uow.session, user):",
        "if False:",
        f"{_TESTS}::test_login_counts_for_nothing_when_the_user_changes_while_the_password_is_checked",
    ),
    Promise(
        "routes over credentials and administration read the row",
        "src/app/api/dependencies.py",
        "caller = await get_authentication().confirm(caller)",
        "pass",
        f"{_USERS}::test_users_routes_ask_the_rows_for_who_the_caller_is",
    ),
    Promise(
        "another role ends the sessions of the former",
        "src/app/services/users.py",
        "if change.role is not None or change.is_active is False:",
        "if change.is_active is False:",
        f"{_USERS}::test_change_user_gives_a_role_and_ends_the_sessions_of_the_former",
    ),
    Promise(
        "what is known of ended sessions is not believed for ever",
        "src/app/core/security/revocation.py",
        "if time.monotonic() >= self._good_until:",
        "if False:",
        "tests/unit/core/security/test_revocation.py",
    ),
)
