"""Mail from a unit of work to a mail server, which may do what it likes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi import FastAPI
from jinja2 import ChoiceLoader, DictLoader, PackageLoader, UndefinedError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import mail
from app.core.config.database import DatabaseSettings
from app.core.config.process import MailSettings
from app.core.exceptions import ExternalServiceError
from app.core.jobs import Jobs
from app.core.mail import Mailer, SendMail, make_mailer, send_mail, write_to_folder
from app.core.uow import unit_of_work
from tests.applications import process_with
from tests.jobs import rows, run_jobs, work_off
from tests.logins import text_of
from tests.logs import captured_log
from tests.servers.smtp import SmtpServer, smtp_server

pytestmark = pytest.mark.anyio

SENDER = "Shop <shop@example.org>"
GREYLISTED = "451 4.7.1 Try again later"


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template called `hello`, beside the project's."""
    # Written so that nothing takes the braces for those of the project's own template.
    name, link = ("{" + f"{{ {value} }}" + "}" for value in ("name", "link"))
    hello = DictLoader({"hello.txt": f"Hello {name}\n\nHello {name}!\n\n{link}\n"})
    monkeypatch.setattr(mail._environment(), "loader", ChoiceLoader([hello, PackageLoader("app", "templates/mail")]))
    monkeypatch.setattr(mail._environment(), "cache", None)


@pytest.fixture
async def smtp(
    app: FastAPI, templates: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SmtpServer]:
    """The server that mail goes to."""
    monkeypatch.setattr(SendMail, "backoff_seconds", 0.01)
    async with smtp_server() as server:
        settings = MailSettings(
            backend="smtp", host="127.0.0.1", port=server.port, tls="none", sender=SENDER, timeout_seconds=1
        )
        with process_with(make_mailer(settings, folder=tmp_path)):
            yield server


def make_job(to: str = "someone@example.org", name: str = "Ann") -> SendMail:
    return SendMail(to=to, template="hello", values={"name": name, "link": "https://shop.example/?a=1&b=2"})


async def enqueue(job: SendMail) -> None:
    async with unit_of_work() as uow:
        uow.enqueue(job)


async def test_send_mail_sends_what_was_committed_and_nothing_that_rolled_back(
    smtp: SmtpServer, transaction: AsyncConnection
) -> None:
    await enqueue(job := make_job())
    with suppress(ZeroDivisionError):
        async with unit_of_work() as uow:
            uow.enqueue(make_job("other@example.org"))
            raise ZeroDivisionError
    assert smtp.messages == []
    await run_jobs()

    (message,) = smtp.messages
    assert smtp.recipients == [message["To"]] == ["someone@example.org"]
    assert (message["From"], message["Subject"]) == (SENDER, "Hello Ann")
    assert message["Message-ID"] == f"<{job.id}@example.org>"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert text.get_content().split() == ["Hello", "Ann!", "https://shop.example/?a=1&b=2"]
    assert "<p>Hello Ann!</p>" in html.get_content()
    assert 'href="https://shop.example/?a=1&amp;b=2"' in html.get_content()


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
    command: str, answer: str, smtp: SmtpServer, jobs: Jobs, database: DatabaseSettings
) -> None:
    smtp.answer(command, answer, answer)
    await enqueue(job := make_job())
    jobs.register(SendMail, send_mail)
    await work_off(jobs, database)

    assert [message["Message-ID"] for message in smtp.messages] == [f"<{job.id}@example.org>"]
    assert await rows() == []


@pytest.mark.parametrize("command", ["RCPT", "."])
async def test_send_mail_gives_up_what_is_refused_for_good(
    command: str, smtp: SmtpServer, transaction: AsyncConnection
) -> None:
    smtp.answer(command, "550 5.1.1 No such user")
    with captured_log() as log:
        await send_mail(job := make_job())

    (line,) = log.events("mail was refused")
    assert (line["message_id"], line["status"]) == (f"<{job.id}@example.org>", 550)
    assert "someone" not in str(line)
    assert smtp.messages == []


async def test_send_mail_asks_a_server_again_that_refuses_the_login_and_quotes_it_nowhere(smtp: SmtpServer) -> None:
    smtp.answer("CONNECT", "554 secret words of the server")

    with pytest.raises(ExternalServiceError) as caught:
        await send_mail(make_job())

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r"])
def test_render_refuses_an_address_with_a_line_break(line_break: str, templates: None) -> None:
    with pytest.raises(ValueError, match=r"."):
        mail.render(make_job(f"someone@example.org{line_break}Bcc: all@example.org"), sender=SENDER)


def test_render_lets_names_put_no_headers_and_no_html_into_a_message(templates: None) -> None:
    made = mail.render(make_job(name="<b>Ann</b>\r\nBcc: all@example.org"), sender=SENDER)

    assert made["Subject"] == "Hello <b>Ann</b>"
    assert "<b>" not in text_of(made, "html")
    assert made["Bcc"] is None
    with pytest.raises(UndefinedError):
        mail.render(SendMail(to="a@example.org", template="hello"), sender=SENDER)


def test_write_to_folder_keeps_a_message_once(tmp_path: Path, templates: None) -> None:
    jobs = [make_job(), make_job()]
    for job in (*jobs, jobs[0]):
        asyncio.run(write_to_folder(tmp_path, mail.render(job, sender=SENDER)))

    assert sorted(each.stem for each in tmp_path.iterdir()) == sorted(str(job.id) for job in jobs)


async def test_mail_that_is_off_is_an_error_where_it_is_needed(templates: None, tmp_path: Path) -> None:
    mailer = make_mailer(MailSettings(backend="off"), folder=tmp_path)

    assert mailer.send is None
    with process_with(mailer), pytest.raises(ExternalServiceError, match="sends none"):
        await send_mail(make_job())


async def test_link_keeps_the_token_out_of_what_browsers_send() -> None:
    mailer = Mailer(None, sender=SENDER, frontend_url="https://a.example/x")
    assert mailer.link("/reset", "t") == "https://a.example/x/reset#token=t"
