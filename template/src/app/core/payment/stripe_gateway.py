"""Payments at Stripe, through its SDK. Loading that takes 0.2 s, so only a process that is to take payments does."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping
from typing import Final, TypeVar

import stripe
from pydantic import SecretStr

from app.core.exceptions import AppException
from app.core.monitoring import monitor
from app.core.payment.arguments import RefundReason
from app.core.payment.errors import (
    PaymentAccessError,
    PaymentConflictError,
    PaymentRefusedError,
    PaymentUnavailableError,
)
from app.core.payment.failures import translate
from app.core.payment.gateway import Charge
from app.core.payment.results import (
    CheckoutSession,
    Customer,
    PaymentIntent,
    Refund,
    StripeObject,
    UnreadableError,
)
from app.core.payment.transport import SERVICE, StripeRetry, Transport

T = TypeVar("T", bound=StripeObject)

# Probes come every few seconds from several places; Stripe allows 100 reads a second for all of an account.
_WELL_SECONDS: Final = 60.0
_SICK_SECONDS: Final = 15.0


class StripeGateway:
    """The real one.

    Args:
        secret_key: Of the account.
        test_mode: Whether that is a test key.
        api_base: Where the API is.
        timeout_seconds: For each attempt of a call.
        attempts: Of a call at most, all with its one idempotency key.
        total_seconds: For a call with all its attempts.
    """

    def __init__(
        self,
        *,
        secret_key: SecretStr,
        test_mode: bool,
        api_base: str,
        timeout_seconds: float,
        attempts: int,
        total_seconds: float,
    ) -> None:
        self._test_mode = test_mode
        # Else it writes an id of this machine into the user's home, and sends it along.
        stripe.enable_telemetry = False
        # It logs each call as a line of its own making, paths included; ours are in app.core.http.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._client = stripe.StripeClient(
            secret_key.get_secret_value(),
            base_addresses={"api": api_base},
            http_client=Transport(
                timeout_seconds=timeout_seconds, retry=StripeRetry(attempts=attempts, total_seconds=total_seconds)
            ),
        ).v1
        self._checking = asyncio.Lock()
        self._checked_until = 0.0
        self._sick: str | None = None

    @property
    def test_mode(self) -> bool:
        """True when the key is a test key."""
        return self._test_mode

    async def create_payment_intent(
        self, charge: Charge, *, customer_id: str | None, idempotency_key: str
    ) -> PaymentIntent:
        """An amount to be collected, by whatever methods the account's owner has switched on."""
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": charge.amount,
            "currency": charge.currency,
            "metadata": dict(charge.metadata),
            "automatic_payment_methods": {"enabled": True},
        }
        if customer_id is not None:
            params["customer"] = customer_id
        return await self._call(
            PaymentIntent, self._client.payment_intents.create_async(params, {"idempotency_key": idempotency_key})
        )

    async def create_customer(
        self, *, email: str | None, name: str | None, metadata: Mapping[str, str], idempotency_key: str
    ) -> Customer:
        """Make a customer."""
        params: stripe.params.CustomerCreateParams = {"metadata": dict(metadata)}
        if email is not None:
            params["email"] = email
        if name is not None:
            params["name"] = name
        return await self._call(
            Customer, self._client.customers.create_async(params, {"idempotency_key": idempotency_key})
        )

    async def create_refund(
        self,
        payment_intent_id: str,
        *,
        amount: int | None,
        reason: RefundReason | None,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> Refund:
        """Give money back."""
        params: stripe.params.RefundCreateParams = {"payment_intent": payment_intent_id, "metadata": dict(metadata)}
        if amount is not None:
            params["amount"] = amount
        if reason is not None:
            params["reason"] = reason
        return await self._call(Refund, self._client.refunds.create_async(params, {"idempotency_key": idempotency_key}))

    async def create_checkout_session(
        self, charge: Charge, *, description: str, success_url: str, cancel_url: str, idempotency_key: str
    ) -> CheckoutSession:
        """A page at Stripe's. Its lifetime is Stripe's, a day: a moment of ours would differ when it is repeated."""
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": charge.currency,
                        "unit_amount": charge.amount,
                        "product_data": {"name": description},
                    },
                }
            ],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": dict(charge.metadata),
            "payment_intent_data": {"metadata": dict(charge.metadata)},
        }
        return await self._call(
            CheckoutSession,
            self._client.checkout.sessions.create_async(params, {"idempotency_key": idempotency_key}),
        )

    async def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """Return a checkout page as it is now."""
        return await self._call(CheckoutSession, self._client.checkout.sessions.retrieve_async(session_id))

    async def check(self) -> None:
        """Check that Stripe can be reached and takes the key: once a minute, or four times while it is not so.

        Raises:
            PaymentUnavailableError: It cannot, or does not.
        """
        async with self._checking:
            if time.monotonic() >= self._checked_until:
                # What is known should this be cut off, as probes are that take too long.
                self._sick, self._checked_until = "Did not answer in time.", time.monotonic() + _SICK_SECONDS
                self._sick = await self._symptom()
                if self._sick is None:
                    self._checked_until = time.monotonic() + _WELL_SECONDS
            if self._sick is not None:
                raise PaymentUnavailableError(SERVICE, self._sick)

    async def _symptom(self) -> str | None:
        try:
            await self._client.balance.retrieve_async()
        except stripe.PermissionError:
            # A restricted key that may do other things.
            return None
        except (stripe.StripeError, AppException) as err:
            return translate(err).message.removeprefix(f"{SERVICE}: ")
        return None

    async def _call(self, kind: type[T], call: Awaitable[stripe.StripeObject]) -> T:
        with monitor.trace(f"payment.{kind.__name__}"):
            try:
                return kind.read((await call).to_dict(), test_mode=self._test_mode)
            except (stripe.StripeError, AppException, UnreadableError) as err:
                failure = translate(err)
            except (AttributeError, TypeError, ValueError):
                # What the SDK does with JSON that is no object.
                failure = translate(UnreadableError("no object"))
        if isinstance(failure, PaymentAccessError | PaymentConflictError | PaymentRefusedError):
            # Answered like any other refusal; a mistake of ours all the same, more often than not.
            monitor.capture_exception(failure, context={"operation": kind.__name__})
        # Out here, where it has neither cause nor context: the SDK's frames hold the key, its errors the answer.
        raise failure
