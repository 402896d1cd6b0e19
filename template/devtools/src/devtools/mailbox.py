"""The mailbox of `app dev`: the messages that were written to .data/mail, as a page."""

from email import message_from_bytes, policy
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from app.core.config.loading import project_folder
from app.core.mail import MAIL_FOLDER

router = APIRouter(prefix="/dev/mail", include_in_schema=False)

_PAGE = Environment(autoescape=True).from_string(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))


@router.get("")
def read_mailbox() -> HTMLResponse:
    """Show the messages, the newest first."""
    folder = project_folder() / MAIL_FOLDER
    files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True)
    messages = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    # A message may run no scripts and load nothing.
    page = _PAGE.render(messages=messages, folder=MAIL_FOLDER)
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})
