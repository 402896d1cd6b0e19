"""A message, made of templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_TEMPLATES: Final = "templates/mail"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message to one person.

    Attributes:
        to: The address.
        subject: In one line.
        text: For readers without HTML.
        html: For the others.
        key: The same for each attempt to send this message; a part of its Message-ID, by which servers drop doubles.
    """

    to: str
    subject: str
    text: str
    html: str
    key: str

    def to_message(self, sender: str) -> EmailMessage:
        """Return the message as it is sent.

        Raises:
            ValueError: A header has a line break: what comes after it would be a header of the caller's choosing.
        """
        message = EmailMessage()
        message["From"] = sender
        message["To"] = self.to
        message["Subject"] = self.subject
        message["Date"] = formatdate(usegmt=True)
        domain = parseaddr(sender)[1].rpartition("@")[2]
        message["Message-ID"] = f"<{self.key}@{domain}>" if domain else make_msgid()
        # Out-of-office replies to machines help neither (RFC 3834, 5).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text)
        message.add_alternative(self.html, subtype="html")
        return message


def render(template: str, values: Mapping[str, str], *, to: str, key: str) -> Mail:
    """Return a message made of `<template>.txt`, whose first line is the subject, and `<template>.html`.

    Args:
        template: Its name in `app/templates/mail`.
        values: The values that it shows; one that is missing is an error.
        to: The address.
        key: See `Mail`.

    Raises:
        jinja2.TemplateError: There is no such template, or it asks for a value that is not given.
    """
    environment = _environment()
    subject, _, text = environment.get_template(f"{template}.txt").render(values).partition("\n")
    html = environment.get_template(f"{template}.html").render(values)
    return Mail(to=to, subject=" ".join(subject.split()), text=text.strip() + "\n", html=html, key=key)


@cache
def _environment() -> Environment:
    # HTML escapes what it is given: names are people's own.
    return Environment(
        loader=PackageLoader("app", _TEMPLATES), undefined=StrictUndefined, autoescape=select_autoescape(["html"])
    )
