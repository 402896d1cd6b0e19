"""The ways of a message: to a mail server, into files, or into memory."""

from pathlib import Path
from typing import Final, Protocol

import aiosmtplib
import anyio

from app.core.config import MailSettings
from app.core.exceptions import ExternalServiceError, MailRefusedError, MailUnavailableError
from app.core.mail.message import Mail
from app.core.process import get_object

MAIL_FOLDER: Final = ".data/mail"
# SMTP's replies from here on will not change by trying again (RFC 5321, 4.2.1).
_PERMANENT: Final = 500


class MailPort(Protocol):
    """Takes messages."""

    async def send(self, mail: Mail) -> None:
        """Send a message.

        Raises:
            MailRefusedError: It cannot be delivered, now or later.
            ExternalServiceError: It could not be delivered now.
        """
        ...


class SmtpMail:
    """Sends messages through a mail server."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(self, mail: Mail) -> None:
        """See `MailPort.send`."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                mail.to_message(settings.sender),
                hostname=settings.host,
                port=settings.port,
                timeout=settings.timeout_seconds,
                use_tls=settings.tls == "tls",
                start_tls=settings.tls == "starttls",
                username=settings.username,
                password=settings.password.get_secret_value() if settings.password else None,
            )
        except aiosmtplib.SMTPRecipientsRefused as err:
            raise _failure(err.recipients[0]) from None
        except aiosmtplib.SMTPDataError as err:
            raise _failure(err) from None
        except (aiosmtplib.SMTPException, OSError) as err:
            # What the server says of a login or a connection may quote what it was sent.
            raise ExternalServiceError("mail", f"The server did not take a message ({type(err).__name__}).") from None


def _failure(err: aiosmtplib.SMTPResponseException) -> Exception:
    """Return the error for an answer to a recipient or to a message."""
    if err.code >= _PERMANENT:
        return MailRefusedError(err.code)
    return ExternalServiceError("mail", f"The server asked to try again later ({err.code}).")


class FileMail:
    """Writes messages into a folder, for development."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """See `MailPort.send`."""
        folder = anyio.Path(self._folder)
        await folder.mkdir(parents=True, exist_ok=True)
        await (folder / f"{mail.key}.eml").write_bytes(mail.to_message(self._sender).as_bytes())


class MemoryMail:
    """Keeps messages, for tests."""

    def __init__(self, sender: str = "app@localhost") -> None:
        self.sent: list[Mail] = []
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """See `MailPort.send`."""
        mail.to_message(self._sender)
        if all(each.key != mail.key for each in self.sent):
            self.sent.append(mail)


class Mailer:
    """The process's way to send mail, or the knowledge that there is none."""

    def __init__(self, port: MailPort | None, *, frontend_url: str) -> None:
        self._port = port
        self._frontend_url = frontend_url

    @property
    def is_on(self) -> bool:
        """True unless mail is switched off."""
        return self._port is not None

    def require(self) -> None:
        """Raise MailUnavailableError where mail is switched off."""
        if self._port is None:
            raise MailUnavailableError

    def link(self, path: str, token: str) -> str:
        """Return the address of a page of the front end that is given a token.

        The token stands behind the `#`: browsers send that part to no server, and so into no log.
        """
        return f"{self._frontend_url}{path}#token={token}"

    async def send(self, mail: Mail) -> None:
        """Send a message; raises as `MailPort.send` does, and MailUnavailableError where mail is switched off."""
        if self._port is None:
            raise MailUnavailableError
        await self._port.send(mail)


def make_mailer(settings: MailSettings, *, folder: Path) -> Mailer:
    """Return what the settings say; nothing is connected before the first message.

    Args:
        settings: Where mail goes.
        folder: The project's, for mail that goes into files.
    """
    ports: dict[str, MailPort | None] = {
        "off": None,
        "files": FileMail(folder / MAIL_FOLDER, settings.sender),
        "smtp": SmtpMail(settings),
    }
    return Mailer(ports[settings.backend], frontend_url=settings.frontend_url)


def get_mailer() -> Mailer:
    """Return the process's mailer; ConfigurationError where there is none yet, or no longer."""
    return get_object(Mailer)
