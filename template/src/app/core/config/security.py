"""The rules that browsers are told."""

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field, field_validator

from app.core.config.section import Problem, SettingsSection, Texts
from app.core.stage import Environment

_ANY_ORIGIN = "*"
_YEAR = 31_536_000
_ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")


class SecuritySettings(SettingsSection):
    """Cross-origin access and transport security."""

    production_defaults: ClassVar = {"hsts_seconds": _YEAR}

    cors_origins: Texts = Field(
        default=(),
        description="Origins whose pages may call this API: a list separated by commas, or JSON. Empty: none.",
    )
    cors_allow_credentials: bool = Field(
        default=False, description="Let those pages send cookies; Authorization headers need no leave."
    )
    hsts_seconds: int = Field(
        default=0,
        ge=0,
        description="Lifetime of Strict-Transport-Security; 0 leaves the header out. In production a year unless set.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """An origin is scheme, host and port (RFC 6454, 7): a path or a trailing slash would never match."""
        for origin in origins:
            if origin != _ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
                raise ValueError("must hold origins such as https://app.example.com, without a path, or *")
        return origins

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Any origin together with credentials hands every visitor's session to every page."""
        if _ANY_ORIGIN in self.cors_origins and self.cors_allow_credentials:
            yield Problem("CORS_ORIGINS", "must name the origins when CORS_ALLOW_CREDENTIALS is on; * is refused")
        elif _ANY_ORIGIN in self.cors_origins and environment is Environment.PRODUCTION:
            yield Problem("CORS_ORIGINS", "must name the origins in production; * is refused")
