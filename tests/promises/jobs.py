"""Work that survives: jobs, durable events, mail and retention."""

from __future__ import annotations

from tests.promises.promise import Promise

ENQUEUE = "tests/integration/jobs/test_enqueue.py"
WORKER = "tests/integration/jobs/test_worker.py"
DURABLE = "tests/integration/jobs/test_durable_events.py"
MAIL = "tests/integration/test_mail.py"
RETENTION = "tests/integration/test_retention.py"

JOBS = (
    Promise(
        "a job is written in the transaction of its changes",
        "src/app/core/uow.py",
        "            await enqueue(uow.session, uow.jobs)\n",
        "            async with get_async_session() as other:\n"
        "                await enqueue(other, uow.jobs)\n"
        "                await other.commit()\n",
        f"{ENQUEUE}::test_enqueue_writes_nothing_if_the_commit_fails",
    ),
    Promise(
        "a job of an inner block is written with the outer one",
        "src/app/core/uow.py",
        "        outer.jobs.extend(uow.jobs)\n",
        "",
        f"{ENQUEUE}::test_enqueue_is_a_part_of_the_unit_of_work_and_of_its_savepoints",
    ),
    Promise(
        "of the jobs of a key one waits or runs",
        "src/app/core/jobs/queue.py",
        '"key": None if key is None else f"{job.type}:{key}",',
        '"key": None,',
        f"{ENQUEUE}::test_enqueue_with_a_key_leaves_one_job_of_those_that_have_it",
    ),
    Promise(
        "a job says which request it goes back to",
        "src/app/core/jobs/queue.py",
        'if name in {"request_id", "trace_id"}',
        'if name in {"request"}',
        f"{ENQUEUE}::test_enqueue_says_when_a_job_may_run_and_what_it_goes_back_to",
    ),
    Promise(
        "a job that hangs is cancelled",
        "src/app/core/jobs/__init__.py",
        "asyncio.timeout(job_type.timeout_seconds)",
        "asyncio.timeout(None)",
        f"{WORKER}::test_a_job_that_fails_or_hangs_each_time_is_put_aside_until_retry",
    ),
    Promise(
        "a job that fails is tried a number of times",
        "src/app/core/jobs/__init__.py",
        "last = starts >= job_type.attempts\n",
        "last = True\n",
        f"{WORKER}::test_a_job_that_fails_is_tried_again_and_logs_with_its_request",
    ),
    Promise(
        "a job that kills its workers is put aside",
        "src/app/core/jobs/engine.py",
        "NEW.attempts := OLD.attempts + 1;",
        "NEW.attempts := OLD.attempts;",
        f"{WORKER}::test_a_job_whose_worker_died_each_time_is_put_aside_until_retry",
    ),
    Promise(
        "a job of a newer version waits",
        "src/app/core/jobs/__init__.py",
        "err.written > err.known:",
        "err.written < 0:",
        f"{WORKER}::test_a_job_of_another_version_is_upgraded_or_waits",
    ),
    Promise(
        "a job under way goes back when its worker stops",
        "src/app/core/jobs/engine.py",
        "except (RetryLater, asyncio.CancelledError) as err:",
        "except RetryLater as err:",
        f"{WORKER}::test_a_worker_that_stops_gives_back_what_does_not_finish",
    ),
    Promise(
        "a job that is given back keeps its attempts",
        "src/app/core/jobs/engine.py",
        "else RetryLater(0, counts=False)",
        "else RetryLater(0)",
        f"{WORKER}::test_a_worker_that_stops_gives_back_what_does_not_finish",
    ),
    Promise(
        "a worker opens a lost connection again",
        "src/app/core/jobs/engine.py",
        "    while not stop.is_set():\n",
        "    for _ in range(1):\n",
        f"{WORKER}::test_a_worker_that_loses_its_connection_goes_on",
    ),
    Promise(
        "schedules follow the database's clock",
        "src/app/core/jobs/engine.py",
        "super().insert_schedule(await self._until_due(schedules))",
        "super().insert_schedule(schedules)",
        "tests/integration/jobs/test_worker_clock.py"
        "::test_a_clock_that_jumps_moves_no_schedule_and_ends_no_lease",
    ),
    Promise(
        "a durable event is delivered by jobs",
        "src/app/core/uow.py",
        "        if event.durable:\n",
        "        if event.version == 0:\n",
        f"{DURABLE}::test_record_delivers_a_durable_event_to_every_subscriber_after_a_crash",
    ),
    Promise(
        "a durable event of another version is not misread",
        "src/app/core/events.py",
        '(written["type"], written["version"]) != (cls.type, cls.version)',
        'written["type"] != cls.type',
        f"{DURABLE}::test_deliver_fails_where_no_subscriber_has_the_name_or_takes_the_version",
    ),
    Promise(
        "a receipt that is sent twice is one message",
        "src/app/services/receipts.py",
        "SendMail(id=event.id, ",
        "SendMail(",
        "tests/integration/payment/test_receipts.py"
        "::test_a_paid_order_is_receipted_after_a_crash_and_once_in_all",
    ),
    Promise(
        "each change of an item is in the audit",
        "src/app/repositories/items.py",
        "if name in values]",
        "if False]",
        "tests/integration/api/test_items.py"
        "::test_every_change_of_an_item_is_audited_and_published_once_in_order",
    ),
    Promise(
        "mail that is refused for good is given up",
        "src/app/core/mail.py",
        "reply.code >= _PERMANENT:",
        "reply.code < 0:",
        f"{MAIL}::test_send_mail_gives_up_what_is_refused_for_good",
    ),
    Promise(
        "mail that is put off is sent later",
        "src/app/core/mail.py",
        "_PERMANENT: Final = 500",
        "_PERMANENT: Final = 400",
        f"{MAIL}::test_send_mail_is_repeated_until_the_server_takes_the_message",
    ),
    Promise(
        "names put no HTML into mail",
        "src/app/core/mail.py",
        'autoescape=select_autoescape(["html"])',
        "autoescape=select_autoescape([])",
        f"{MAIL}::test_render_lets_names_put_no_headers_and_no_html_into_a_message",
    ),
    Promise(
        "a link's token goes to no server's log",
        "src/app/core/mail.py",
        "#token=",
        "?token=",
        f"{MAIL}::test_link_keeps_the_token_out_of_what_browsers_send",
    ),
    Promise(
        "the mailbox runs no script of a message",
        "devtools/src/devtools/mailbox.html",
        "<iframe sandbox ",
        "<iframe ",
        "tests/devtools/test_mailbox.py"
        "::test_read_mailbox_shows_messages_and_runs_none_of_their_html",
    ),
    Promise(
        "a purge waits for no lock",
        "src/app/services/retention.py",
        ".with_for_update(skip_locked=True)",
        ".with_for_update()",
        f"{RETENTION}::test_purge_waits_for_no_lock_and_goes_on_where_it_was_interrupted",
    ),
    Promise(
        "a purge leaves the sessions that are in use",
        "src/app/services/retention.py",
        "make_rule(Session, ~has_tokens & ",
        "make_rule(Session, ",
        f"{RETENTION}::test_purge_takes_what_is_old_and_leaves_what_is_in_use",
    ),
    Promise(
        "tables of retention stop growing",
        "src/app/services/retention.py",
        "make_rule(log, older_than(log.c.created, settings.job_days) & ~waits)",
        "make_rule(log, older_than(log.c.created, 3650) & ~waits)",
        "tests/integration/test_retention_months.py"
        "::test_purge_keeps_tables_from_growing_over_months",
    ),
    Promise(
        "the inbox of webhooks stops growing",
        "src/app/wiring.py",
        "older_than(WebhookEvent.received_at, settings.stripe.webhook_event_days)",
        "older_than(WebhookEvent.received_at, 3650)",
        "tests/integration/payment/test_webhooks.py"
        "::test_purge_keeps_the_inbox_from_growing_over_months",
    ),
)
