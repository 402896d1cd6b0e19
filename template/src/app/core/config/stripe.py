"""The settings of payments."""

import re
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection, Texts, matching

# Secret and restricted keys, of an account or of an organisation (Stripe documentation, "API keys").
_KEY: Final = r"(sk|rk)_(?P<test>(org_)?test_)?[A-Za-z0-9_]+"
_ENDPOINT: Final = r"whsec_[A-Za-z0-9+/=_-]+"
_SecretKey = Annotated[SecretStr, matching(_KEY, "must be a secret or restricted key, which begins with sk_ or rk_")]
_WebhookSecret = Annotated[
    SecretStr,
    matching(
        rf"\s*{_ENDPOINT}\s*(,\s*{_ENDPOINT}\s*)*",
        "must be the signing secret of a webhook endpoint, which begins with whsec_",
    ),
]
_Accounts = Annotated[
    Texts,
    matching(r"acct_[A-Za-z0-9]+", "must be accounts of Stripe's, separated by commas, which begin with acct_"),
]


class StripeSettings(SettingsSection):
    """Keys and limits. Until it is enabled, production takes no payments; other stages simulate them (`test_mode`)."""

    model_config = SettingsConfigDict(env_prefix="STRIPE_")

    enabled: bool = Field(
        default=False,
        description="Let payments go to Stripe. Else they are simulated, or answered 503 in production.",
    )
    secret_key: _SecretKey | None = Field(
        default=None,
        description="A secret or a restricted key: sk_… or rk_…; production takes no test key.",
        examples=["rk_live_of_the_account"],
    )
    webhook_secret: _WebhookSecret | None = Field(
        default=None,
        description="Signs what Stripe sends to /webhooks/stripe: whsec_…; several, separated by commas, where there "
        "are several endpoints or one's secret is being rolled.",
        examples=["whsec_of_the_endpoint"],
    )
    accounts: _Accounts = Field(
        default=(),
        description="Accounts, separated by commas, whose events count where Stripe names one (Connect, "
        "organisations): acct_…; events that name another are ignored.",
    )
    return_url: str = Field(
        default="http://127.0.0.1:8000/docs",
        description="The page that customers come back to; `reference` and `outcome` are added to its query.",
        examples=["https://www.example.com/orders"],
    )
    timeout_seconds: float = Field(
        default=10, gt=0, le=80, description="For each attempt of a call; Stripe's own library would wait 80."
    )
    attempts: int = Field(default=3, ge=1, le=10, description="The number of attempts of a call at most, with one key.")
    total_seconds: float = Field(default=20, gt=0, le=300, description="For a call with all of its attempts.")
    webhook_event_days: int = Field(
        default=90,
        ge=31,
        le=3650,
        validation_alias="RETENTION_WEBHOOK_EVENT_DAYS",
        description="Days that the ids of events are kept, by which a repeated one is known: Stripe resends for 30.",
    )
    webhook_tolerance_seconds: int = Field(
        default=300,
        ge=1,
        le=3600,
        description="The largest difference between a signature's time and now, in seconds. Stripe recommends 300.",
    )
    api_base: str = Field(default="https://api.stripe.com", description="The address of the API; for tests.")

    @field_validator("return_url", "api_base")
    @classmethod
    def _check_url(cls, value: str) -> str:
        try:
            url = urlsplit(value)
        except ValueError:
            url = urlsplit("")
        if url.scheme not in {"http", "https"} or not url.hostname or url.fragment:
            raise ValueError("must be http:// or https:// and a host, without a fragment")
        return value.rstrip("/") if not url.query else value

    @property
    def webhook_secrets(self) -> tuple[SecretStr, ...]:
        """The secrets of the endpoints, each of which may sign."""
        if self.webhook_secret is None:
            return ()
        return tuple(SecretStr(each.strip()) for each in self.webhook_secret.get_secret_value().split(","))

    @property
    def has_test_key(self) -> bool:
        """True when the key is one of test mode, which moves no real money."""
        match = re.fullmatch(_KEY, self.secret_key.get_secret_value()) if self.secret_key else None
        return bool(match and match["test"])

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield the keys that are missing where it is enabled, and what would let payments look real that are not."""
        if self.enabled and self.secret_key is None:
            yield Problem("STRIPE_SECRET_KEY", "must be set where STRIPE_ENABLED is true")
        if self.enabled and self.webhook_secret is None:
            yield Problem("STRIPE_WEBHOOK_SECRET", "must be set where STRIPE_ENABLED is true")
        if environment is not Environment.PRODUCTION or not self.enabled:
            return
        if self.has_test_key:
            yield Problem("STRIPE_SECRET_KEY", "must be a live key in production")
        if not self.return_url.startswith("https://"):
            yield Problem("STRIPE_RETURN_URL", "must begin with https:// in production")
        if not self.api_base.startswith("https://"):
            yield Problem("STRIPE_API_BASE", "must begin with https:// in production")
