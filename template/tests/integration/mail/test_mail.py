"""Mail from a unit of work to a mail server, which may do what it likes."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config import DatabaseSettings, MailSettings
from app.core.exceptions import ExternalServiceError, MailRefusedError, MailUnavailableError
from app.core.jobs import Jobs
from app.core.mail import Mail, Mailer, MailPort, MemoryMail, SendMail, get_mailer, make_mailer, render, send_mail
from app.core.mail.mailer import FileMail
from app.core.uow import unit_of_work
from tests.jobs import rows, run_jobs, until_empty, working
from tests.logs import captured_log
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.anyio

GREYLISTED = "451 4.7.1 Try again later"


def make_job(to: str = "someone@example.org", name: str = "Ann") -> SendMail:
    return SendMail(to=to, template="hello", values={"name": name})


def make_mail(**changes: str) -> Mail:
    content = {"to": "someone@example.org", "subject": "Hello", "text": "Hi.\n", "html": "<p>Hi.</p>", "key": "1"}
    return Mail(**{**content, **changes})


async def test_send_mail_sends_what_was_committed_and_nothing_that_rolled_back(
    smtp: SmtpServer, transaction: AsyncConnection
) -> None:
    async with unit_of_work() as uow:
        uow.enqueue(job := make_job())
    with suppress(ZeroDivisionError):
        async with unit_of_work() as uow:
            uow.enqueue(make_job("other@example.org"))
            raise ZeroDivisionError
    assert smtp.taken == []
    await run_jobs()

    ((sender, recipients, message),) = smtp.taken
    assert "shop@example.org" in sender
    assert recipients == [message["To"]] == ["someone@example.org"]
    assert (message["From"], message["Subject"]) == ("Shop <shop@example.org>", "Hello Ann")
    assert message["Message-ID"] == f"<{job.id}@example.org>"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert (text.get_content().strip(), html.get_content().strip()) == ("Hello Ann!", "<p>Ann</p>")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("RCPT", GREYLISTED),
        (".", GREYLISTED),
        ("DATA", "drop"),
        (".", "drop"),
        ("CONNECT", "421 Busy"),
        ("RCPT", "hang"),
    ],
)
async def test_send_mail_is_repeated_until_the_server_takes_the_message(
    command: str,
    answer: str,
    smtp: SmtpServer,
    database: DatabaseSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SendMail, "backoff_seconds", 0.01)
    smtp.answer(command, answer, answer)
    async with unit_of_work() as uow:
        uow.enqueue(job := make_job())
    jobs = Jobs()
    jobs.register(SendMail, send_mail)
    async with working(jobs, database):
        await until_empty()

    assert [message["Message-ID"] for message in smtp.messages] == [f"<{job.id}@example.org>"]
    assert await rows() == []


@pytest.mark.parametrize("command", ["RCPT", "."])
async def test_send_mail_gives_up_what_is_refused_for_good(
    command: str, smtp: SmtpServer, transaction: AsyncConnection
) -> None:
    smtp.answer(command, "550 5.1.1 No such user")
    async with unit_of_work() as uow:
        uow.enqueue(make_job())
    with captured_log() as log:
        await run_jobs()

    (line,) = log.events("mail was refused")
    assert (line["template"], line["status"]) == ("hello", 550)
    assert "someone" not in str(line)
    assert smtp.taken == []


async def test_a_server_that_refuses_the_login_is_asked_again_and_quoted_nowhere(smtp: SmtpServer) -> None:
    smtp.answer("CONNECT", "554 secret words of the server")

    with pytest.raises(ExternalServiceError) as caught:
        await get_mailer().send(make_mail())

    assert not isinstance(caught.value, MailRefusedError)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("field", ["to", "subject"])
@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r"])
async def test_a_header_with_a_line_break_is_refused(field: str, line_break: str, smtp: SmtpServer) -> None:
    value = f"someone@example.org{line_break}Bcc: all@example.org"
    with pytest.raises(ValueError, match=r"."):
        await get_mailer().send(make_mail(**{field: value}))
    assert smtp.taken == []


async def test_names_put_no_headers_and_no_html_into_a_message(templates: None) -> None:
    mail = render("hello", {"name": "<b>Ann</b>\r\nBcc: all@example.org"}, to="a@example.org", key="1")

    assert mail.subject == "Hello <b>Ann</b>"
    assert "<b>" not in mail.html
    assert mail.to_message("shop@example.org")["Bcc"] is None
    with pytest.raises(UndefinedError):
        render("hello", {}, to="a@example.org", key="1")


@pytest.mark.parametrize("backend", ["memory", "files"])
def test_each_backend_keeps_a_message_once(backend: str, tmp_path: Path) -> None:
    port: MailPort = MemoryMail() if backend == "memory" else FileMail(tmp_path, "shop@example.org")
    for key in ("1", "2", "1"):
        asyncio.run(port.send(make_mail(key=key)))
    with pytest.raises(ValueError, match=r"."):
        asyncio.run(port.send(make_mail(subject="a\nb")))

    kept = (
        [mail.key for mail in port.sent] if isinstance(port, MemoryMail) else [file.stem for file in tmp_path.iterdir()]
    )
    assert sorted(kept) == ["1", "2"]


async def test_mail_that_is_off_is_an_error_where_it_is_needed(tmp_path: Path) -> None:
    mailer = make_mailer(MailSettings(backend="off"), folder=tmp_path)

    assert not mailer.is_on
    with pytest.raises(MailUnavailableError):
        mailer.require()
    with pytest.raises(MailUnavailableError):
        await mailer.send(make_mail())


async def test_mailer_link_keeps_the_token_out_of_what_browsers_send() -> None:
    assert Mailer(None, frontend_url="https://a.example/x").link("/reset", "t") == "https://a.example/x/reset#token=t"
