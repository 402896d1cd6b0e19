"""Mail is sent by jobs, after the commit of what it is about."""

from collections.abc import Mapping
from typing import ClassVar

from app.core.exceptions import MailRefusedError
from app.core.jobs import BaseJob
from app.core.logging import get_logger
from app.core.mail.mailer import get_mailer
from app.core.mail.message import render

logger = get_logger(__name__)


class SendMail(BaseJob):
    """Sends a message; tried for most of a day, since servers put strangers off (greylisting) and go down.

    Attributes:
        to: The address.
        template: The message's name in `app/templates/mail`.
        values: The values that it shows.
    """

    type: ClassVar[str] = "mail.send"
    attempts: ClassVar[int] = 15
    backoff_seconds: ClassVar[float] = 30
    longest_backoff_seconds: ClassVar[float] = 3 * 3600

    to: str
    template: str
    values: Mapping[str, str] = {}


async def send_mail(job: SendMail) -> None:
    """Send the message of a job; one that is refused for good is given up, and the log has it."""
    try:
        await get_mailer().send(render(job.template, job.values, to=job.to, key=str(job.id)))
    except MailRefusedError as err:
        logger.warning("mail was refused", template=job.template, status=err.details["status"])
