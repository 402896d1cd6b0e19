"""Settings of mail, and where the pages are that its links lead to."""

import re
from collections.abc import Iterator
from email.utils import parseaddr
from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection, is_this_machine

_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^\s?#]*)?")


class MailSettings(SettingsSection):
    """Mail to users: confirmations of addresses, new passwords, and what you add."""

    model_config = SettingsConfigDict(env_prefix="MAIL_")

    production_defaults: ClassVar = {"backend": "off"}

    backend: Literal["off", "files", "smtp"] = Field(
        default="files",
        description="files: written to .data/mail, for development; smtp: sent; off: what needs mail answers 503. In "
        "production off unless set.",
    )
    sender: str = Field(
        default="no-reply@localhost", description="The address that mail comes from, with or without a name."
    )
    host: str = Field(default="localhost", description="The mail server.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for STARTTLS, 465 for TLS.")
    username: str | None = Field(default=None, description="The name to log in with at the mail server.")
    password: SecretStr | None = Field(default=None, description="The password to log in with at the mail server.")
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="Encryption: after STARTTLS, from the beginning, or none."
    )
    timeout_seconds: float = Field(default=20, gt=0, le=300, description="How long sending one message may take.")
    frontend_url: str = Field(
        default="http://localhost:3000",
        validation_alias="FRONTEND_URL",
        description="Where the pages are that links in mail lead to, without a slash at the end.",
    )

    @field_validator("sender")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1] or not value.isprintable():
            raise ValueError("must be an address, such as Shop <no-reply@shop.example>")
        return value

    @field_validator("frontend_url")
    @classmethod
    def _check_frontend_url(cls, value: str) -> str:
        if not _URL.fullmatch(value) or value.endswith("/"):
            raise ValueError("must be an address such as https://www.shop.example, without a slash at the end")
        return value

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield what would keep mail, or the links in it, from arriving."""
        if environment is not Environment.PRODUCTION or self.backend == "off":
            return
        if self.backend == "files":
            yield Problem("MAIL_BACKEND", "must be smtp or off in production: files reach no user")
            return
        if self.tls == "none" and not is_this_machine(self.host):
            yield Problem("MAIL_TLS", "must be starttls or tls, since MAIL_HOST is another machine's")
        for field in ("sender", "frontend_url"):
            if field not in self.model_fields_set:
                yield Problem(self.variables()[field], "must be set where mail is sent")

    def remarks(self, environment: Environment) -> Iterator[Problem]:
        """Yield what does not work without mail."""
        if environment is Environment.PRODUCTION and self.backend == "off":
            yield Problem("MAIL_BACKEND", "is off: no mail is sent, and what needs it answers 503")
