"""The mailbox of `app dev`."""

from email.message import EmailMessage
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.core.mail import MAIL_FOLDER, write_to_folder
from devtools.mailbox import router


@pytest.mark.anyio
async def test_read_mailbox_shows_messages_and_runs_none_of_their_html(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = FastAPI()
    app.include_router(router)
    client = AsyncClient(transport=ASGITransport(app), base_url="http://test")
    assert "None yet" in (await client.get("/dev/mail")).text

    html = '<p onclick="alert(1)">Hi</p><script>alert(2)</script>'
    mail = EmailMessage()
    for name, value in (("To", "ä@example.org"), ("Subject", "<b>Wörld</b>"), ("Message-ID", "<1@example.org>")):
        mail[name] = value
    mail.set_content("See https://a.example/x\n")
    mail.add_alternative(html, subtype="html")
    await write_to_folder(tmp_path / MAIL_FOLDER, mail)
    answer = await client.get("/dev/mail")

    assert "&lt;b&gt;Wörld&lt;/b&gt;" in answer.text
    assert '<a href="https://a.example/x"' in answer.text
    assert "<script>" not in answer.text
    assert "iframe sandbox srcdoc" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")

    # One of a user's own way to send mail may be text alone.
    plain = EmailMessage()
    plain["Message-ID"] = "<2@example.org>"
    plain.set_content("Nothing but text\n")
    await write_to_folder(tmp_path / MAIL_FOLDER, plain)
    page = (await client.get("/dev/mail")).text
    assert "Nothing but text" in page
    assert page.count("iframe sandbox srcdoc") == 1
