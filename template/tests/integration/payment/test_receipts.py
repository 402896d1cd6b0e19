"""Receipts: mailed once for each order that is paid, however processes are killed in between."""

from pathlib import Path

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config.process import MailSettings
from app.core.jobs import get_jobs
from app.core.mail import make_mailer
from tests.applications import process_with
from tests.jobs import rows, run_jobs
from tests.logins import mail_in_memory, text_of
from tests.orders import make_paid_order
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio


async def test_a_paid_order_is_receipted_after_a_crash_and_once_in_all(
    client: AsyncClient, stripe: StripeServer, transaction: AsyncConnection
) -> None:
    with mail_in_memory() as mailbox:
        await make_paid_order(client, stripe, description="A <lamp>")
        # The process that has settled the payment dies here; a worker finds the event.
        (delivery,) = await rows()
        assert mailbox.sent == []
        # The first worker dies between the mail and its own end: the event is delivered again.
        await get_jobs().run(delivery.entrypoint, delivery.payload or b"", {}, number=1, starts=1)
        await run_jobs()

    (mail,) = mailbox.sent
    assert mail["Subject"] == "Your order is paid"
    assert "A <lamp>" in text_of(mail)
    assert "A &lt;lamp&gt;" in text_of(mail, "html")


async def test_a_paid_order_is_no_reason_to_fail_while_mail_is_off(
    client: AsyncClient, stripe: StripeServer, transaction: AsyncConnection, tmp_path: Path
) -> None:
    with process_with(make_mailer(MailSettings(backend="off"), folder=tmp_path)):
        await make_paid_order(client, stripe)
        await run_jobs()

    assert await rows() == []
