"""Mail to users: a message is made of a template, and sent by a job, so that what is rolled back sends nothing.

    uow.enqueue(SendMail(to=user.email, template="reset_password", values={"link": link}))

The templates are in `app/templates/mail`: subject and text of each message, and one layout that makes HTML of any text.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

import anyio

from app.core.config.process import MailSettings
from app.core.exceptions import ExternalServiceError
from app.core.jobs import BaseJob
from app.core.logging import get_logger
from app.core.process import get_object

MAIL_FOLDER: Final = ".data/mail"
# SMTP's replies from here on will not change by trying again (RFC 5321, 4.2.1).
_PERMANENT: Final = 500

# A way for messages; it raises ExternalServiceError where one cannot be delivered now.
Send = Callable[[EmailMessage], Awaitable[None]]

logger = get_logger(__name__)


async def send_by_smtp(settings: MailSettings, message: EmailMessage) -> None:
    """Send a message through a mail server; one that is refused for good is given up, and the log has it.

    Raises:
        ExternalServiceError: The server did not take it; it may do later.
    """
    import aiosmtplib  # noqa: PLC0415 — workers send, and the web process starts without it

    about_message = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
    try:
        await aiosmtplib.send(
            message,
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout_seconds,
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
            username=settings.username,
            password=settings.password.get_secret_value() if settings.password else None,
        )
    except (aiosmtplib.SMTPException, OSError) as err:
        reply = err.recipients[0] if isinstance(err, aiosmtplib.SMTPRecipientsRefused) else err
        # A refused login or connection says nothing about the message.
        if isinstance(reply, about_message) and reply.code >= _PERMANENT:
            logger.warning("mail was refused", message_id=message["Message-ID"], status=reply.code)
            return
        # Without the text of the reply, which may quote what the server was sent.
        reason = getattr(reply, "code", type(reply).__name__)
        raise ExternalServiceError("mail", f"The server did not take a message ({reason}).") from None


async def write_to_folder(folder: Path, message: EmailMessage) -> None:
    """Write a message into a folder, for development."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    name = message["Message-ID"].partition("@")[0].strip("<")
    await anyio.Path(folder, f"{name}.eml").write_bytes(message.as_bytes())


@dataclass(frozen=True)
class Mailer:
    """The process's way to send mail; None where mail is switched off."""

    send: Send | None
    sender: str
    frontend_url: str

    def require(self) -> Send:
        """Return the way, or raise ExternalServiceError where mail is switched off."""
        if self.send is None:
            raise ExternalServiceError("mail", "This service sends none at present.", error_code="MAIL_UNAVAILABLE")
        return self.send

    def link(self, path: str, token: str) -> str:
        """Return the address of a page of the front end that is given a token."""
        # Browsers send what is behind the `#` to no server, and so into no log.
        return f"{self.frontend_url}{path}#token={token}"


def make_mailer(settings: MailSettings, *, folder: Path) -> Mailer:
    """Return the way that the settings name; files go into a project's folder."""
    ways: dict[str, Send | None] = {
        "off": None,
        "files": partial(write_to_folder, folder / MAIL_FOLDER),
        "smtp": partial(send_by_smtp, settings),
    }
    return Mailer(ways[settings.backend], sender=settings.sender, frontend_url=settings.frontend_url)


def get_mailer() -> Mailer:
    """Return the process's mailer; ConfigurationError where there is none yet, or no longer."""
    return get_object(Mailer)


class SendMail(BaseJob):
    """Sends a message of a template; tried for most of a day, since servers put strangers off and go down."""

    type: ClassVar[str] = "mail.send"
    attempts: ClassVar[int] = 15
    backoff_seconds: ClassVar[float] = 30
    longest_backoff_seconds: ClassVar[float] = 3 * 3600

    to: str
    template: str
    values: Mapping[str, str] = {}


async def send_mail(job: SendMail) -> None:
    """Send the message of a job."""
    mailer = get_mailer()
    await mailer.require()(render(job, sender=mailer.sender))


def render(job: SendMail, *, sender: str) -> EmailMessage:
    """Return the message of a job: the first line of its template is the subject, the rest is the text.

    Its Message-ID is the job's, the same for each attempt, by which servers drop doubles. ValueError for an address
    with a line break: what comes after it would be a header of the caller's choosing.
    """
    environment = _environment()
    subject, _, text = environment.get_template(f"{job.template}.txt").render(job.values).partition("\n")
    paragraphs = re.split(r"\n\s*\n", text.strip())
    message = EmailMessage()
    message["From"] = sender
    message["To"] = job.to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{job.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    # Out-of-office replies to machines help neither (RFC 3834, 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.strip() + "\n")
    html = environment.get_template("layout.html").render(paragraphs=paragraphs, link=job.values.get("link"))
    message.add_alternative(html, subtype="html")
    return message


@cache
def _environment() -> Any:  # noqa: ANN401 — jinja2's, which is not loaded here
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # noqa: PLC0415 — as above

    # HTML escapes what it is given: names are people's own.
    return Environment(
        loader=PackageLoader("app", "templates/mail"), undefined=StrictUndefined, autoescape=select_autoescape(["html"])
    )
