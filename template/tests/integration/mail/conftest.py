"""Mail that goes to a server of our own, with templates of these tests'."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from jinja2 import DictLoader

from app.core.config import MailSettings
from app.core.mail import make_mailer, message
from tests.applications import process_with
from tests.servers.smtp import SmtpServer, smtp_server

SENDER = "Shop <shop@example.org>"


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template called `hello`."""
    # Written so that nothing takes the braces for those of the project's own template.
    name = "{" + "{ name }" + "}"
    loader = DictLoader({"hello.txt": f"Hello {name}\n\nHello {name}!\n", "hello.html": f"<p>{name}</p>"})
    monkeypatch.setattr(message._environment(), "loader", loader)
    monkeypatch.setattr(message._environment(), "cache", None)


@pytest.fixture
async def smtp(app: FastAPI, templates: None, tmp_path: Path) -> AsyncIterator[SmtpServer]:
    """The server that mail goes to."""
    async with smtp_server() as server:
        settings = MailSettings(
            backend="smtp", host="127.0.0.1", port=server.port, tls="none", sender=SENDER, timeout_seconds=1
        )
        with process_with(make_mailer(settings, folder=tmp_path)):
            yield server
